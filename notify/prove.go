package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Proof is what came of the specimen for one channel.
type Proof struct {
	Channel   string
	Buttons   bool   // not the specimen was tried, but whether presses of its buttons are heard
	Reference string // what the service calls it
	Err       error  // what the service refused, and how to mend it; no secret is in it
	Took      time.Duration
}

// Prove sends a specimen through every channel of a receiver, one after the other, asks
// whether its buttons can be heard, and says what came of each. Nothing is recorded and
// nothing is tried twice. It returns an error when the config has no such receiver.
func (n *Notifier) Prove(ctx context.Context, receiver string) ([]Proof, error) {
	lines, ok := n.receivers[receiver]
	if !ok {
		var names []string
		for name := range n.receivers {
			if name != logReceiver {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if len(names) == 0 {
			return nil, fmt.Errorf("the config has no receiver %.64q: it has none at all", receiver)
		}
		return nil, fmt.Errorf("the config has no receiver %.64q; it has %s", receiver, strings.Join(names, ", "))
	}
	specimen := Specimen(receiver, n.o.Now())
	specimen.Link = n.link(specimen.Run)
	var out []Proof
	prove := func(l *line, buttons bool, do func(context.Context) (string, error)) {
		bounded, cancel := context.WithTimeout(ctx, l.timeout)
		defer cancel()
		start := time.Now()
		reference, err := do(bounded)
		out = append(out, Proof{l.channel, buttons, reference, notice.Scrub(err, n.secrets...), time.Since(start)})
	}
	for _, l := range lines {
		prove(l, false, func(ctx context.Context) (string, error) { return l.to.Send(ctx, specimen) })
		if l.proveButtons != nil {
			prove(l, true, func(ctx context.Context) (string, error) { return "", l.proveButtons(ctx) })
		}
	}
	return out, nil
}

// SpecimenRun is the id of the run that a specimen speaks of: there is none of that name.
const SpecimenRun = "specimen"

// Specimen is a message as people get them, with curve, verdict and a question, about a
// training that never was. Each has an id of its own.
func Specimen(receiver string, now time.Time) notice.Notice {
	now = now.UTC().Truncate(time.Second)
	loss := []float64{0.92, 0.84, 0.81, 0.795, 0.783, 0.772, 0.765, 0.757, 0.748, 0.740, 0.743, 0.747, 0.752, 0.758, 0.766}
	const onset = 10
	last := len(loss) - 1
	rate, to := contract.Number(0.1), contract.Number(0.0316)
	n := notice.Notice{
		ID: uuid.NewString(), Event: store.MessageFiring, Receiver: receiver, CreatedAt: now,
		Run: store.Run{
			Project: "epochwatch", ID: SpecimenRun, Name: "a specimen, no run of yours", State: store.StateRunning, Attempts: 1,
			StartedAt: now.Add(-time.Duration(len(loss)) * time.Minute),
			Started:   &contract.RunStarted{Control: contract.Control{Mode: contract.ModeAsk}},
		},
		Finding: store.Finding{ID: uuid.NewString(), OpenedAt: now, Finding: detectors.Finding{
			Kind: detectors.KindRisingLoss, Metric: "loss", Severity: detectors.SeverityWarning, OnsetEpoch: onset, FiredEpoch: last,
			Confidence: 0.8,
			Summary:    "This is a test of the channel: nothing is wrong. A training loss that climbs from its best 0.740 to 0.766 would be told like this.",
			Evidence:   map[string]contract.Number{"best": 0.74, "now": 0.766, "noise": 0.0019},
			Advice:     []string{"If you can read this and see the curve, the channel works: there is nothing to do."},
		}},
	}
	n.Commands = []store.Command{{
		Command: contract.Command{
			ID: uuid.NewString(), Kind: contract.KindReduceLR, Expected: &rate, Wanted: &to, Reason: string(detectors.KindRisingLoss),
			IssuedBy: "policy", IssuedAt: now, Bounds: n.Run.Started.Control,
		},
		State: store.CommandProposed, FindingID: n.Finding.ID, DecidedEpoch: last, ProposedBy: "policy",
	}}
	for i, v := range loss {
		lr := float64(rate)
		n.Epochs = append(n.Epochs, store.Epoch{
			Epoch: i, LearningRate: &lr, EndedAt: now.Add(time.Duration(i-last) * time.Minute),
			Metrics: map[string]float64{"loss": v, "val_loss": v*1.06 + 0.004*float64(i%3)},
		})
	}
	return n
}
