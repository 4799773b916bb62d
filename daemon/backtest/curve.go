package backtest

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Curve is one training from its first epoch to its last.
type Curve struct {
	ID string
	// Repository is what the curve came from: the curves of one are not independent.
	Repository string
	Epochs     []detectors.Epoch
	Facts      *contract.Facts // nil when nothing is known but the curve
	Labels     Labels          // nil without labels
}

// Labels are what is known of a curve in hindsight: kinds with the index of the epoch at
// which each began, nil where that is not known. KindHealthy stands alone.
type Labels map[detectors.Kind]*int

// Healthy reports whether the labels say that all was well.
func (l Labels) Healthy() bool { _, ok := l[detectors.KindHealthy]; return ok }

// Apart reports whether a repository belongs to the one in n that is kept apart from
// tuning. A hash of the name decides, so that the split stays as curves are added.
func Apart(repository string, n int) bool {
	return n > 0 && int(sha256.Sum256([]byte(repository))[0])%n == 0
}

// Problem is a line that could not be used.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Problem string `json:"problem"`
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Problem) }

// maxLine is the longest line read, in bytes: some 100,000 epochs of many metrics.
const maxLine = 64 << 20

// eachLine hands over every line that is not blank. The error is one of reading.
func eachLine(r io.Reader, name string, use func(b []byte) error) ([]Problem, error) {
	var problems []Problem
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	n := 0
	for s.Scan() {
		n++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		if err := use(s.Bytes()); err != nil {
			problems = append(problems, Problem{name, n, err.Error()})
		}
	}
	switch err := s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return append(problems, Problem{name, n + 1, fmt.Sprintf("longer than %d MiB: neither it nor what follows was read", maxLine>>20)}), nil
	case err != nil:
		return problems, fmt.Errorf("read %s: %w", name, err)
	}
	return problems, nil
}

// ReadCurves reads curves, one JSON object a line:
//
//	{"id": "…", "source": "owner/repository:path", "metrics": {"loss": [0.7, null, "NaN"]}}
//
// A metric has one value an epoch, null where it is missing. Optional are "repository" (by
// default the source up to a colon, or the id), "first_epoch" (0), "epochs" (a list of the
// epochs' numbers), "first_batch_loss", and "context" with facts as `diagnose --context`
// takes them. A metric "lr" or "learning_rate" is the learning rate. Lines that cannot be
// used are problems; the error is one of reading.
func ReadCurves(r io.Reader, name string) ([]*Curve, []Problem, error) {
	var out []*Curve
	seen := map[string]bool{}
	problems, err := eachLine(r, name, func(b []byte) error {
		var l curveLine
		if err := l.read(b); err != nil {
			return err
		}
		if seen[l.ID] {
			return fmt.Errorf("the id %.80q stands on an earlier line too", l.ID)
		}
		c, err := l.curve()
		if err != nil {
			return err
		}
		seen[l.ID] = true
		out = append(out, c)
		return nil
	})
	return out, problems, err
}

// ReadLabels reads labels by the id of their curve, one JSON object a line:
//
//	{"id": "…", "labels": {"overfitting": 12, "healthy": null}}
func ReadLabels(r io.Reader, name string) (map[string]Labels, []Problem, error) {
	out := map[string]Labels{}
	problems, err := eachLine(r, name, func(b []byte) error {
		var l struct {
			ID     string `json:"id"`
			Labels Labels `json:"labels"`
		}
		if err := decode(b, &l); err != nil {
			return err
		}
		if _, again := out[l.ID]; again {
			return fmt.Errorf("the id %.80q stands on an earlier line too", l.ID)
		}
		if err := checkLabels(l.ID, l.Labels); err != nil {
			return err
		}
		out[l.ID] = l.Labels
		return nil
	})
	return out, problems, err
}

func checkLabels(id string, labels Labels) error {
	if id == "" {
		return errors.New("it has no id")
	}
	if len(labels) == 0 {
		return errors.New("it has no labels: leave out what is neither one thing nor another")
	}
	for kind, onset := range labels {
		if kind != detectors.KindHealthy && (detectors.Config{kind: {}}).Validate() != nil {
			return fmt.Errorf("labels.%.80s: no such kind", kind)
		}
		if onset != nil && *onset < 0 {
			return fmt.Errorf("labels.%s: the onset %d is below 0", kind, *onset)
		}
	}
	if labels.Healthy() && len(labels) > 1 {
		return errors.New("labels: healthy, and something else too")
	}
	return nil
}

// curveLine is a line of a file of curves.
type curveLine struct {
	ID             string             `json:"id"`
	Source         string             `json:"source"`
	SourceURL      string             `json:"source_url"`
	Repository     string             `json:"repository"`
	Metrics        map[string][]value `json:"metrics"`
	FirstEpoch     int                `json:"first_epoch"`
	Epochs         json.RawMessage    `json:"epochs"`
	FirstBatchLoss *value             `json:"first_batch_loss"`
	Context        json.RawMessage    `json:"context"`
	Diagnosis      []string           `json:"diagnosis"`
	SymptomEpoch   *int               `json:"symptom_epoch"`
}

func (l *curveLine) read(b []byte) error {
	if err := decode(b, l); err != nil {
		return err
	}
	if l.ID == "" {
		return errors.New("it has no id")
	}
	return nil
}

func decode(b []byte, into any) error {
	err := json.Unmarshal(b, into)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		if bytes.Contains(b, []byte("NaN")) {
			return fmt.Errorf(`not JSON: %w (JSON has no NaN: write "NaN")`, err)
		}
		return fmt.Errorf("not JSON: %w", err)
	case errors.As(err, &typ):
		return fmt.Errorf("%s: want %s, not a JSON %s", cmp.Or(typ.Field, "the line"), wanted(typ.Type.Kind().String()), typ.Value)
	}
	return err
}

// wanted says what JSON a Go kind is read from.
func wanted(kind string) string {
	switch kind {
	case "slice":
		return "a list"
	case "map", "struct":
		return "an object"
	case "string":
		return "a text"
	}
	return "a whole number"
}

func (l *curveLine) curve() (*Curve, error) {
	c := &Curve{ID: l.ID, Repository: l.repository()}
	n := 0
	for _, v := range l.Metrics {
		n = max(n, len(v))
	}
	if n == 0 {
		return nil, errors.New("metrics: there are none")
	}
	var numbers []int
	if bytes.HasPrefix(l.Epochs, []byte("[")) {
		if err := json.Unmarshal(l.Epochs, &numbers); err != nil {
			return nil, errors.New("epochs: want a list of whole numbers")
		}
		if len(numbers) != n {
			return nil, fmt.Errorf("epochs: %d numbers for %d epochs", len(numbers), n)
		}
	}
	for i := range n {
		e := l.epoch(i)
		if numbers != nil {
			e.Epoch = numbers[i]
		}
		c.Epochs = append(c.Epochs, e)
	}
	var err error
	c.Facts, err = factsOf(l.Context)
	return c, err
}

func (l *curveLine) repository() string {
	if l.Repository != "" {
		return l.Repository
	}
	if before, _, _ := strings.Cut(l.Source, ":"); before != "" {
		return before
	}
	if parts := strings.Split(l.SourceURL, "/"); len(parts) > 4 { // https://host/owner/repository/…
		return parts[3] + "/" + parts[4]
	}
	return l.ID
}

func (l *curveLine) epoch(i int) detectors.Epoch {
	e := detectors.Epoch{
		Epoch: l.FirstEpoch + i, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(),
		Metrics: make(map[string]float64, len(l.Metrics)),
	}
	for name, v := range l.Metrics {
		switch {
		case i >= len(v) || !v[i].there:
		case name == "lr" || name == "learning_rate":
			e.LearningRate = v[i].v
		default:
			e.Metrics[name] = v[i].v
		}
	}
	if i == 0 && l.FirstBatchLoss != nil && l.FirstBatchLoss.there {
		e.FirstBatchLoss = l.FirstBatchLoss.v
	}
	return e
}

// factsOf reads facts as `diagnose --context` does, and under the names that logs of the
// public often have.
func factsOf(b json.RawMessage) (*contract.Facts, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	var f contract.Facts
	var other struct {
		Classes      int              `json:"num_classes"`
		LearningRate *contract.Number `json:"lr"`
		Metric       string           `json:"metric"`
	}
	if err := errors.Join(json.Unmarshal(b, &f), json.Unmarshal(b, &other)); err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	f.Classes = cmp.Or(f.Classes, other.Classes)
	if f.LearningRate == nil {
		f.LearningRate = other.LearningRate
	}
	if len(f.MetricNames) == 0 && other.Metric != "" {
		f.MetricNames = []string{other.Metric}
	}
	return &f, nil
}

// value is a number, a text that stands for one which is not finite, or null.
type value struct {
	v     float64
	there bool
}

// UnmarshalJSON takes NaN and the infinities as whatever program wrote them.
func (x *value) UnmarshalJSON(b []byte) error {
	switch strings.ToLower(string(b)) {
	case "null":
		*x = value{}
		return nil
	case `"nan"`, `"-nan"`:
		*x = value{math.NaN(), true}
		return nil
	case `"inf"`, `"+inf"`, `"infinity"`:
		*x = value{math.Inf(1), true}
		return nil
	case `"-inf"`, `"-infinity"`:
		*x = value{math.Inf(-1), true}
		return nil
	}
	var n contract.Number
	if err := n.UnmarshalJSON(b); err != nil {
		return fmt.Errorf("a value is %w", err)
	}
	*x = value{float64(n), true}
	return nil
}

// Attach gives every curve its labels and returns the ids of labels without a curve, and
// those of curves whose onset lies behind their end, both sorted: those get no labels.
func Attach(curves []*Curve, labels map[string]Labels) (strangers, outside []string) {
	known := map[string]bool{}
	for _, c := range curves {
		known[c.ID] = true
		l := labels[c.ID]
		for _, onset := range l {
			if onset != nil && *onset >= len(c.Epochs) {
				outside = append(outside, c.ID)
				l = nil
				break
			}
		}
		c.Labels = l
	}
	for id := range labels {
		if !known[id] {
			strangers = append(strangers, id)
		}
	}
	slices.Sort(strangers)
	slices.Sort(outside)
	return strangers, outside
}
