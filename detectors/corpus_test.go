package detectors_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// curve is a learning curve as the development corpus and the trainings made for these
// tests write it: one object a line.
type curve struct {
	ID             string                `json:"id"`
	Source         string                `json:"source"`
	Metrics        map[string][]anything `json:"metrics"`
	FirstEpoch     int                   `json:"first_epoch"`
	FirstBatchLoss *contract.Number      `json:"first_batch_loss"`
	Labels         map[string]*int       `json:"-"`
}

// anything is a number, a string that stands for one, or null.
type anything struct {
	v     float64
	there bool
}

func (a *anything) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var n contract.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	a.v, a.there = float64(n), true
	return nil
}

// repository is what the curve came from: curves of one are not independent.
func (c *curve) repository() string { r, _, _ := strings.Cut(c.Source, ":"); return r }

// apart reports whether the curve is of the third that is kept away from tuning.
func (c *curve) apart() bool { return sha256.Sum256([]byte(c.repository()))[0]%3 == 0 }

func (c *curve) length() int {
	n := 0
	for _, v := range c.Metrics {
		n = max(n, len(v))
	}
	return n
}

// epochAt makes the epoch at an index of the curve.
func (c *curve) epochAt(i int) detectors.Epoch {
	e := epoch(c.FirstEpoch+i, map[string]float64{})
	for name, v := range c.Metrics {
		if i >= len(v) || !v[i].there {
			continue
		}
		if name == "lr" || name == "learning_rate" {
			e.LearningRate = v[i].v
			continue
		}
		e.Metrics[name] = v[i].v
	}
	if i == 0 && c.FirstBatchLoss != nil {
		e.FirstBatchLoss = float64(*c.FirstBatchLoss)
	}
	return e
}

func readLines(t *testing.T, path string, each func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		each(s.Bytes())
	}
	require.NoError(t, s.Err())
}

func readCurves(t *testing.T, path string) []*curve {
	t.Helper()
	var out []*curve
	readLines(t, path, func(b []byte) {
		var c curve
		require.NoError(t, json.Unmarshal(b, &c))
		out = append(out, &c)
	})
	return out
}

// TestCorpus scores the detectors on labelled curves, epoch by epoch as live. It needs
// the folder of the corpus in EPOCHWATCH_CORPUS; EPOCHWATCH_CORPUS_PART says whether
// the part for tuning ("dev", the default), the third kept apart ("apart") or all.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EPOCHWATCH_CORPUS")
	if dir == "" {
		t.Skip("EPOCHWATCH_CORPUS does not name the folder of a corpus: nothing to score")
	}
	part := os.Getenv("EPOCHWATCH_CORPUS_PART")
	labels := map[string]map[string]*int{}
	readLines(t, filepath.Join(dir, "labels.jsonl"), func(b []byte) {
		var l struct {
			ID     string
			Labels map[string]*int
		}
		require.NoError(t, json.Unmarshal(b, &l))
		labels[l.ID] = l.Labels
	})
	var curves []*curve
	for _, c := range readCurves(t, filepath.Join(dir, "curves.jsonl")) {
		if l, ok := labels[c.ID]; ok && (part == "all" || (part == "apart") == c.apart()) {
			c.Labels = l
			curves = append(curves, c)
		}
	}
	var healthy tally
	byKind := map[detectors.Kind]*tally{}
	for _, s := range detectors.Specs() {
		byKind[s.Kind] = &tally{}
	}
	for _, c := range curves {
		findings := fire(t, c)
		if _, ok := c.Labels["healthy"]; ok {
			healthy.healthy(t, c, findings, byKind)
		}
		for kind, onset := range c.Labels {
			if k := byKind[detectors.Kind(kind)]; k != nil {
				k.named(c, detectors.Kind(kind), onset, findings)
			}
		}
	}
	for _, s := range detectors.Specs() {
		t.Logf("%-24s %s", s.Kind, byKind[s.Kind])
	}
	t.Logf("healthy runs %d: alarmed (warning or critical) %d, with anything at all %d", healthy.runs, healthy.alarmed, healthy.any)
}

func fire(t *testing.T, c *curve) []detectors.Finding {
	m := newMonitor(t, nil)
	for i := range c.length() {
		m.Fold(c.epochAt(i))
	}
	return m.Findings()
}

type tally struct {
	runs, alarmed, any   int
	said, before         int // runs with the label named; of these before the onset
	delays               []int
	falseWarn, falseAny  int
	labelled             int
	missed, early, wrong []string
}

func (k *tally) named(c *curve, kind detectors.Kind, onset *int, findings []detectors.Finding) {
	k.labelled++
	for _, f := range findings {
		if f.Kind != kind {
			continue
		}
		k.said++
		if onset != nil {
			d := f.FiredEpoch - c.FirstEpoch - *onset
			k.delays = append(k.delays, d)
			if d < 0 {
				k.before++
				k.early = append(k.early, c.ID)
			}
		}
		return
	}
	k.missed = append(k.missed, c.ID)
}

func (k *tally) healthy(t *testing.T, c *curve, findings []detectors.Finding, byKind map[detectors.Kind]*tally) {
	k.runs++
	alarmed := false
	seen := map[detectors.Kind]bool{}
	for _, f := range findings {
		warn := f.Severity != detectors.SeverityInfo
		alarmed = alarmed || warn
		if !seen[f.Kind] {
			seen[f.Kind] = true
			b := byKind[f.Kind]
			b.falseAny++
			if warn {
				b.falseWarn++
			}
			b.wrong = append(b.wrong, fmt.Sprintf("%s@%d/%d", c.ID, f.FiredEpoch-c.FirstEpoch, c.length()))
			if testing.Verbose() && os.Getenv("EPOCHWATCH_CORPUS_WHY") != "" {
				t.Logf("%s %s: %s", c.ID, c.repository(), f.Summary)
			}
		}
	}
	if alarmed {
		k.alarmed++
	}
	if len(findings) > 0 {
		k.any++
	}
}

func (k *tally) String() string {
	slices.Sort(k.delays)
	med := math.NaN()
	if n := len(k.delays); n > 0 {
		med = float64(k.delays[n/2])
	}
	return fmt.Sprintf("named %d of %d, %d of them before the onset, median delay %.0f; healthy runs with it %d (alarmed %d) missed %v early %v wrong %v",
		k.said, k.labelled, k.before, med, k.falseAny, k.falseWarn, k.missed, k.early, k.wrong)
}
