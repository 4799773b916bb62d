package history

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// board gathers the epochs of a TensorBoard log: Keras writes epoch_loss and its like, with
// the epoch as the step, those of the validation into files of their own.
type board struct {
	p      *parse
	train  points
	val    points
	values int
	other  int // scalars that are none of an epoch
	sample string
	full   bool
}

func newBoard(p *parse) *board {
	p.format = FormatTensorBoard
	return &board{p: p}
}

// points are the scalars of one side, in the order in which they were written: those that
// Keras' callback calls epoch_…, and plain ones, as Keras 1 has them.
type points struct{ epoch, plain []point }

// point is what was written of one step.
type point struct {
	file    int
	step    int
	wall    float64
	metrics map[string]float64
}

// list returns the points of epochs; plain scalars are epochs where there is a loss and
// nothing says otherwise.
func (p *points) list() []point {
	if len(p.epoch) > 0 {
		return p.epoch
	}
	for _, x := range p.plain {
		if _, ok := x.metrics["loss"]; ok {
			return p.plain
		}
	}
	return nil
}

// read takes one event file, which is of the validation if it says so or val is set.
func (b *board) read(r io.Reader, val bool) error {
	s := &records{r: r}
	file := len(b.train.epoch) + len(b.val.epoch) + len(b.train.plain) + len(b.val.plain) // apart from any before
	var got points
	var e event
	for {
		data, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errCut) {
			b.p.notes.add(0, fmt.Sprintf("%s (at byte %d): it is being written, or was cut off", errCut, s.offset))
			break
		}
		if err != nil {
			return err
		}
		if err := e.read(data); err != nil {
			return fmt.Errorf("record at byte %d: it is no event: %w", s.offset, err)
		}
		for _, x := range e.scalars {
			val = val || evaluation(x.tag)
			b.take(&got, &e, x, file)
		}
	}
	if s.large > 0 {
		b.p.notes.addN(0, s.large, fmt.Sprintf("records of more than %d MiB were left out", maxRecord>>20))
	}
	into := &b.train
	if val {
		into = &b.val
	}
	into.epoch = append(into.epoch, got.epoch...)
	into.plain = append(into.plain, got.plain...)
	return nil
}

// evaluation reports whether a tag is one that Keras writes beside a validation alone.
func evaluation(tag []byte) bool {
	return strings.HasPrefix(string(tag), "evaluation_") && strings.HasSuffix(string(tag), "_vs_iterations")
}

// take sorts one scalar in.
func (b *board) take(got *points, e *event, x scalar, file int) {
	if !x.ok || evaluation(x.tag) {
		return
	}
	name, epoch := strings.CutPrefix(string(x.tag), "epoch_")
	into := &got.plain
	if epoch {
		into = &got.epoch
	}
	if !validName([]byte(name)) || strings.HasPrefix(name, "batch_") || e.step < 0 || e.step > math.MaxInt32 {
		if b.other++; b.sample == "" {
			b.sample = clip(name, 40)
		}
		return
	}
	if b.values++; b.values > maxValues {
		b.full = true
		return
	}
	name = b.p.name([]byte(name))
	if n := len(*into); n > 0 {
		last := &(*into)[n-1]
		if _, again := last.metrics[name]; last.step == int(e.step) && !again {
			last.metrics[name] = x.value
			return
		}
	}
	*into = append(*into, point{file, int(e.step), e.wall, map[string]float64{name: x.value}})
}

// epochs hands on what was gathered, as one training or several of a log folder.
func (b *board) epochs(folder string) {
	train, val := b.train.list(), b.val.list()
	if len(train) == 0 && len(val) > 0 {
		b.p.notes.add(0, "these are the figures of a validation alone: name the log folder to read those of the training too")
		train = make([]point, len(val))
		for i, v := range val {
			train[i] = point{v.file, v.step, v.wall, nil}
		}
	}
	validated := validations(train, val)
	var before *point
	for i := range train {
		x := &train[i]
		e := detectors.Epoch{
			Epoch: x.step, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(),
			Metrics: make(map[string]float64, len(x.metrics)+4),
		}
		for name, v := range x.metrics {
			if isRate(name) {
				e.LearningRate = v
			} else {
				e.Metrics[name] = v
			}
		}
		if v := validated[i]; v != nil {
			for name, value := range v.metrics {
				e.Metrics[b.p.name([]byte("val_"+strings.TrimPrefix(name, "val_")))] = value
			}
		}
		if before != nil && before.file == x.file && before.step+1 == x.step && x.wall > before.wall {
			e.Seconds = x.wall - before.wall
		}
		if before = x; len(e.Metrics) > 0 {
			b.p.runs.add(e, 0, true, 0)
			b.p.runs.cur.name = folder
		}
	}
	b.say()
}

// validations returns for each epoch its validation: the last of its step that was written
// no earlier than it, and before a later training came to that step again.
func validations(train, val []point) []*point {
	of := map[int][]*point{} // by step, in order
	for i := range val {
		of[val[i].step] = append(of[val[i].step], &val[i])
	}
	out := make([]*point, len(train))
	again := map[int]float64{} // when the step came again
	for i := len(train) - 1; i >= 0; i-- {
		x := &train[i]
		until, ok := again[x.step]
		for _, v := range of[x.step] {
			if v.wall >= x.wall && (!ok || v.wall < until) {
				out[i] = v
			}
		}
		again[x.step] = x.wall
	}
	return out
}

// say notes what was left out, and what was taken for something.
func (b *board) say() {
	if b.full {
		b.p.notes.add(0, "more scalars than are read: the last ones were left out")
	}
	if len(b.train.epoch)+len(b.val.epoch) == 0 {
		b.p.notes.add(0, "the scalars do not say that they are of epochs (epoch_loss): each step was taken for one")
	} else if n := len(b.train.plain) + len(b.val.plain); n > 0 && b.sample == "" {
		b.other, b.sample = b.other+n, b.plainName()
	}
	if b.other > 0 {
		b.p.notes.addN(0, b.other, fmt.Sprintf("scalars that are none of an epoch, such as %q, were left out", b.sample))
	}
}

func (b *board) plainName() string {
	for _, x := range append(b.train.plain, b.val.plain...) {
		for _, name := range slices.Sorted(maps.Keys(x.metrics)) {
			return clip(name, 40)
		}
	}
	return ""
}

// found says what stands in files without epochs.
func (b *board) found() string {
	if n := b.other + b.values; n > 0 {
		return fmt.Sprintf("TensorBoard events with %d %s, but no epoch_loss and no loss", n, plural(n, "scalar", "scalars"))
	}
	return "TensorBoard events without any scalars"
}
