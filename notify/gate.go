package notify

import (
	"context"
	"sync"
	"time"
)

const (
	// gateWidth is how many messages are with a service at once. Slack takes about one a
	// second for a channel; more in flight would only wait there.
	gateWidth = 2
	// gateWait is how long the worker of one message waits for its turn before that goes back
	// to the queue: long enough for a service that is well, short enough for the other receivers.
	gateWait = time.Second
	// turnAgain is when a message that found no turn comes back at the earliest.
	turnAgain = time.Second
	// longestRest bounds the rest of a service that fails time after time.
	longestRest = time.Minute
)

// gate keeps the messages of one channel of one receiver from taking all workers while its
// service is slow or down.
type gate struct {
	turns chan struct{}
	queue chan struct{} // one may wait for a turn: more would take the workers from others
	now   func() time.Time

	mu    sync.Mutex
	until time.Time // no message before; guarded by mu
	bad   int       // failures in a row; guarded by mu
}

func newGate(now func() time.Time) *gate {
	return &gate{turns: make(chan struct{}, gateWidth), queue: make(chan struct{}, 1), now: now}
}

// enter waits for a turn. It returns how long to stay away when there is none; otherwise
// the caller must call leave or giveBack. An urgent message does not heed a rest.
func (g *gate) enter(ctx context.Context, urgent bool) (wait time.Duration) {
	if wait := g.rests(); wait > 0 && !urgent {
		return wait
	}
	if !g.turn(ctx) {
		return turnAgain
	}
	// While waiting for the turn, the one before may have found that the service is down.
	if wait := g.rests(); wait > 0 && !urgent {
		g.giveBack()
		return wait
	}
	return 0
}

// turn reports whether a turn is to be had, now or soon.
func (g *gate) turn(ctx context.Context) bool {
	select {
	case g.turns <- struct{}{}:
		return true
	default:
	}
	select {
	case g.queue <- struct{}{}:
		defer func() { <-g.queue }()
	default:
		return false
	}
	timer := time.NewTimer(gateWait)
	defer timer.Stop()
	select {
	case g.turns <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// giveBack ends a turn that was not used: it says nothing about the service.
func (g *gate) giveBack() { <-g.turns }

func (g *gate) rests() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until.Sub(g.now())
}

// leave ends a turn. pause is what the service asked for, 0 for nothing; failed says that
// it did not answer as it should.
func (g *gate) leave(failed bool, pause time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	<-g.turns
	if !failed {
		g.bad = 0
		return
	}
	g.bad++
	if pause == 0 {
		pause = min(time.Second<<min(g.bad-1, 10), longestRest)
	}
	if until := g.now().Add(pause); until.After(g.until) {
		g.until = until
	}
}
