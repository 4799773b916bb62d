package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// record is what the training printed: the loss of each epoch as last trained, and the
// falls of the rate that the training saw by itself.
type record struct {
	losses map[int]float64
	falls  int
	rate   float64
}

func newRecord() *record { return &record{losses: map[int]float64{}} }

func (r *record) take(p printed) {
	if p.Epoch == nil {
		if p.Started != 0 {
			r.rate = 0 // another process begins at the rate it was compiled with
		}
		return
	}
	r.losses[*p.Epoch] = *p.Loss
	if r.rate > 0 && p.Rate < r.rate*(1-1e-6) {
		r.falls++
	}
	r.rate = p.Rate
}

func (r *record) next() int {
	if len(r.losses) == 0 {
		return 0
	}
	return slices.Max(slices.Collect(maps.Keys(r.losses))) + 1
}

// show asks the program about a run.
func show(bin, dir, run string) (report.RunDocument, error) {
	var doc report.RunDocument
	out, err := exec.Command(bin, "runs", "show", run, "--json", "--data", dir).Output()
	if err != nil {
		return doc, fmt.Errorf("runs show %s: %w", run, err)
	}
	return doc, json.Unmarshal(out, &doc)
}

// wrong returns what is wrong with what was kept, held against the record; received are
// the ids of the messages that arrived, in order.
func (r *record) wrong(doc report.RunDocument, received []string) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	stored := map[int]float64{}
	for i, e := range doc.Epochs {
		if i > 0 && e.Epoch <= doc.Epochs[i-1].Epoch {
			say("epoch %d stands after %d", e.Epoch, doc.Epochs[i-1].Epoch)
		}
		stored[e.Epoch] = float64(e.Metrics["loss"])
	}
	for _, epoch := range slices.Sorted(maps.Keys(r.losses)) {
		got, ok := stored[epoch]
		if !ok {
			say("epoch %d was trained and is not stored", epoch)
		} else if math.Float64bits(got) != math.Float64bits(r.losses[epoch]) {
			say("epoch %d has the loss %v, stored is %v", epoch, r.losses[epoch], got)
		}
	}
	keys := map[string]int{}
	for _, f := range doc.Findings {
		keys[fmt.Sprintf("finding %s/%s/%d", f.Kind, f.Metric, f.OnsetEpoch)]++
	}
	for _, id := range received {
		keys["message "+id]++
	}
	for _, m := range doc.Messages {
		keys[fmt.Sprintf("message row %s/%s/%s/%s", m.Finding, m.Receiver, m.Channel, m.Event)]++
	}
	applied := 0
	for _, c := range doc.Commands {
		keys["command "+c.ID]++
		if c.State == store.CommandApplied && c.Kind != contract.KindStop {
			applied++
		}
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if keys[k] != 1 {
			say("%s exists %d times", k, keys[k])
		}
	}
	if applied != r.falls {
		say("%d commands are said to be applied, the rate fell %d times", applied, r.falls)
	}
	return bad
}

// notArrived returns the messages that are said to be sent and were not received.
func notArrived(doc report.RunDocument, received []string) []string {
	var bad []string
	for _, m := range doc.Messages {
		if m.State == store.MessageSent && !slices.Contains(received, m.ID) {
			bad = append(bad, fmt.Sprintf("message %s is said to be sent and did not arrive", m.ID))
		}
	}
	return bad
}

func TestTheCheckerSeesEachFault(t *testing.T) {
	t.Parallel()
	sound := func() (*record, report.RunDocument, []string) {
		r := newRecord()
		r.losses, r.falls = map[int]float64{0: 0.5, 1: 0.25}, 1
		var doc report.RunDocument
		require.NoError(t, json.Unmarshal([]byte(`{"epochs":[{"epoch":0,"metrics":{"loss":0.5}},{"epoch":1,"metrics":{"loss":0.25}}],
			"findings":[{"kind":"divergence","metric":"loss","onset_epoch":1}],
			"commands":[{"id":"c1","state":"applied"}],"messages":[{"id":"m1","state":"sent","finding":"f"}]}`), &doc))
		return r, doc, []string{"m1"}
	}
	r, doc, got := sound()
	require.Empty(t, append(r.wrong(doc, got), notArrived(doc, got)...))
	for name, plant := range map[string]func(r *record, doc *report.RunDocument, got *[]string){
		"a lost epoch":        func(_ *record, d *report.RunDocument, _ *[]string) { d.Epochs = d.Epochs[:1] },
		"a changed loss":      func(r *record, _ *report.RunDocument, _ *[]string) { r.losses[1] = math.Nextafter(0.25, 1) },
		"an epoch twice":      func(_ *record, d *report.RunDocument, _ *[]string) { d.Epochs = append(d.Epochs, d.Epochs[1]) },
		"a finding twice":     func(_ *record, d *report.RunDocument, _ *[]string) { d.Findings = append(d.Findings, d.Findings[0]) },
		"a message twice":     func(_ *record, _ *report.RunDocument, got *[]string) { *got = append(*got, "m1") },
		"a message not there": func(_ *record, _ *report.RunDocument, got *[]string) { *got = nil },
		"a cut twice":         func(r *record, _ *report.RunDocument, _ *[]string) { r.falls++ },
		"a cut not there":     func(r *record, _ *report.RunDocument, _ *[]string) { r.falls-- },
	} {
		r, doc, got := sound()
		plant(r, &doc, &got)
		require.NotEmpty(t, append(r.wrong(doc, got), notArrived(doc, got)...), name)
	}
}
