// Package chart draws the curve that a message speaks of as a PNG: training and validation
// in one picture, the trouble shaded from its onset on, each change of the learning rate
// marked. [Of] says what is to be seen, [Plot.PNG] draws it.
package chart

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// leadIn is how many epochs before the onset are drawn at least, and leadTimes how
	// many for each epoch from the onset on: more would press the trouble to the edge.
	leadIn    = 30
	leadTimes = 3
	// maxPoints is how many points a line has at most; a bucket of epochs gives its lowest
	// and its highest, so that no spike is lost.
	maxPoints = 400
	// logRange is how far apart the ends of a positive series must be to be drawn on a
	// logarithmic scale.
	logRange  = 50
	maxPanels = 2
	maxName   = 24
)

// Plot is what a picture shows, before it is drawn.
type Plot struct {
	Title    string // the run
	From, To int    // epochs
	// Onset is the epoch from which on the trouble is shaded, End the first epoch without
	// it; nil where there is none, or it goes on.
	Onset, End *int
	Critical   bool // the colour of the shade
	Panels     []Panel
	Cuts       []Cut
}

// Panel is one metric: what it is in training and in validation.
type Panel struct {
	Lines     []Line
	Log       bool
	Low, High float64 // of the scale; values beyond it are cut off
}

// Line is one series. Values that are not finite are in it as themselves.
type Line struct {
	Name       string
	Validation bool
	Epochs     []int
	Values     []float64
}

// Cut is one change that the run has made on command.
type Cut struct {
	Epoch int // the first one trained with it
	Label string
}

// Of says what the picture of a notice shows. It reports false when there is nothing to
// draw: no epoch, or none of the metrics.
func Of(n notice.Notice) (Plot, bool) {
	if n.Digest != nil || len(n.Epochs) == 0 {
		return Plot{}, false
	}
	p := Plot{Title: title(n.Run), Critical: n.Finding.Severity == detectors.SeverityCritical}
	epochs := n.Epochs
	if n.Finding.Kind != "" {
		onset := n.Finding.OnsetEpoch
		p.Onset, p.End = &onset, n.Finding.ResolvedEpoch
		epochs = near(epochs, onset)
	}
	p.From, p.To = epochs[0].Epoch, epochs[0].Epoch
	for _, e := range epochs {
		p.From, p.To = min(p.From, e.Epoch), max(p.To, e.Epoch)
	}
	for _, names := range panels(n) {
		if panel, ok := panelOf(epochs, names); ok && len(p.Panels) < maxPanels {
			p.Panels = append(p.Panels, panel)
		}
	}
	p.Cuts = cuts(n.Commands, p.From, p.To)
	return p, len(p.Panels) > 0
}

// Draw returns the picture of a notice as a PNG, and nil when there is nothing to draw.
func Draw(n notice.Notice) ([]byte, error) {
	p, ok := Of(n)
	if !ok {
		return nil, nil
	}
	return p.PNG()
}

// Alt says in words what the picture shows, for those who do not see it.
func Alt(n notice.Notice) string {
	p, ok := Of(n)
	if !ok {
		return ""
	}
	var names []string
	for _, panel := range p.Panels {
		for _, l := range panel.Lines {
			names = append(names, l.Name)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s, epochs %d to %d", strings.Join(names, ", "), p.Title, p.From, p.To)
	if p.Onset != nil {
		fmt.Fprintf(&b, "; shaded from epoch %d", *p.Onset)
		if p.End != nil {
			fmt.Fprintf(&b, " to %d", *p.End)
		}
	}
	for _, c := range p.Cuts {
		fmt.Fprintf(&b, "; epoch %d: %s", c.Epoch, c.Label)
	}
	return b.String()
}

func title(r store.Run) string {
	if name := notice.Clean(r.Name, 40); name != "" {
		return name
	}
	return notice.Clean(r.ID, 40)
}

// near drops the epochs that lie far before the onset.
func near(epochs []store.Epoch, onset int) []store.Epoch {
	at := slices.IndexFunc(epochs, func(e store.Epoch) bool { return e.Epoch >= onset })
	if at < 0 {
		at = len(epochs)
	}
	return epochs[max(at-max(leadTimes*(len(epochs)-at), leadIn), 0):]
}

// panels names the metrics of each panel: the loss first, then what the finding is about.
func panels(n notice.Notice) [][]string {
	out := [][]string{{"loss", "val_loss"}}
	base := strings.TrimPrefix(n.Finding.Metric, "val_")
	switch {
	case n.Finding.Kind == detectors.KindLossAccuracyConflict:
		if acc := accuracy(n.Epochs); acc != "" {
			out = append(out, []string{acc, "val_" + acc})
		}
	case base != "" && base != "loss":
		out = append(out, []string{base, "val_" + base})
	}
	return out
}

// accuracy is the shortest metric of training that is one by its name.
func accuracy(epochs []store.Epoch) string {
	var names []string
	for name := range epochs[len(epochs)-1].Metrics {
		if strings.Contains(name, "acc") && !strings.HasPrefix(name, "val_") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
}

func panelOf(epochs []store.Epoch, names []string) (Panel, bool) {
	p := Panel{Low: math.Inf(1), High: math.Inf(-1)}
	for i, name := range names {
		l := Line{Name: notice.Clean(name, maxName), Validation: i > 0}
		for _, e := range epochs {
			if v, ok := e.Metrics[name]; ok {
				l.Epochs, l.Values = append(l.Epochs, e.Epoch), append(l.Values, v)
			}
		}
		if len(l.Values) == 0 {
			continue
		}
		for _, v := range l.Values {
			if finite(v) {
				p.Low, p.High = min(p.Low, v), max(p.High, v)
			}
		}
		l.Epochs, l.Values = thin(l.Epochs, l.Values)
		p.Lines = append(p.Lines, l)
	}
	if len(p.Lines) == 0 {
		return p, false
	}
	switch {
	case p.Low > p.High: // nothing finite at all
		p.Low, p.High = 0, 1
	case p.Low == p.High:
		room := max(math.Abs(p.Low)*0.05, math.SmallestNonzeroFloat64)
		if p.Low == 0 {
			room = 1
		}
		p.Low, p.High = p.Low-room, p.High+room
	default:
		p.Log = p.Low > 0 && p.High/p.Low > logRange
	}
	return p, true
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// thin takes a long series together: of each bucket its lowest and its highest value in
// their order, or the first that is not finite, because that must be seen.
func thin(epochs []int, values []float64) ([]int, []float64) {
	if len(values) <= maxPoints {
		return epochs, values
	}
	var outE []int
	var outV []float64
	keep := func(i int) { outE, outV = append(outE, epochs[i]), append(outV, values[i]) }
	const buckets = maxPoints / 2
	for b := range buckets {
		from, to := b*len(values)/buckets, (b+1)*len(values)/buckets
		low, high, lost := from, from, -1
		for i := from; i < to; i++ {
			switch {
			case !finite(values[i]):
				if lost < 0 {
					lost = i
				}
			case values[i] < values[low] || !finite(values[low]):
				low = i
			case values[i] > values[high] || !finite(values[high]):
				high = i
			}
		}
		for _, i := range slices.Compact(slices.Sorted(slices.Values([]int{low, high, max(lost, low)}))) {
			keep(i)
		}
	}
	return outE, outV
}

// cuts are the commands that the run has followed within sight, in order.
func cuts(commands []store.Command, from, to int) []Cut {
	var out []Cut
	for _, c := range commands {
		if c.AppliedEpoch == nil || *c.AppliedEpoch < from || *c.AppliedEpoch > to+1 {
			continue
		}
		out = append(out, Cut{Epoch: *c.AppliedEpoch, Label: label(c)})
	}
	slices.SortStableFunc(out, func(a, b Cut) int { return cmp.Compare(a.Epoch, b.Epoch) })
	return out
}

func label(c store.Command) string {
	rate := ""
	if c.Before != nil && c.After != nil {
		rate = " " + notice.Rate(*c.Before) + " to " + notice.Rate(*c.After)
	}
	switch c.Kind {
	case contract.KindReduceLR, contract.KindSetLR:
		return "rate" + rate
	case contract.KindRollback:
		return "back to best, rate" + rate
	case contract.KindStop:
		return "stopped"
	case contract.KindRevert:
		return "taken back"
	}
	return notice.Clean(string(c.Kind), maxName)
}
