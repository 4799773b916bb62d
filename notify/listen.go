package notify

import (
	"context"
	"slices"
	"sync"

	"github.com/epochwatch/epochwatch/notify/slack"
)

// listen notes that the buttons of a receiver are to be heard. One app is listened to once,
// however many receivers post through it: Slack gives each press to one listener.
func (n *Notifier) listen(receiver string, s *Slack) {
	if s.AppToken == "" {
		return
	}
	i := slices.IndexFunc(n.listeners, func(o slack.ListenOptions) bool { return o.AppToken == s.AppToken })
	if i < 0 {
		n.listeners = append(n.listeners, slack.ListenOptions{
			Token: s.Token, AppToken: s.AppToken, APIURL: s.APIURL, Allow: map[string][]string{receiver: s.Allow},
			HTTPClient: n.o.HTTPClient, Log: n.o.Log, Now: n.o.Now, Zone: n.zone,
		})
		return
	}
	n.listeners[i].Allow[receiver] = s.Allow
}

// Listens reports whether there are buttons to hear.
func (n *Notifier) Listens() bool { return len(n.listeners) > 0 }

// Listen hears the buttons under messages until ctx ends.
func (n *Notifier) Listen(ctx context.Context, d slack.Daemon) error {
	var wg sync.WaitGroup
	for _, o := range n.listeners {
		wg.Go(func() { slack.Listen(ctx, o, d) })
	}
	wg.Wait()
	<-ctx.Done()
	return nil
}
