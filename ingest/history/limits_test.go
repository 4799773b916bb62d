package history_test

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// endless repeats a text until so many bytes were read, and watches the heap meanwhile.
type endless struct {
	text string
	left int
	at   int
	peak uint64
	next int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		k := copy(p[n:], e.text[e.at:])
		n += k
		e.at = (e.at + k) % len(e.text)
	}
	e.left -= n
	if e.next -= n; e.next <= 0 {
		e.next = 4 << 20
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		e.peak = max(e.peak, m.HeapInuse)
	}
	return n, nil
}

const bar = "\r  5/10 [=====>....] - ETA: 9s - loss: 0.5000 - accuracy: 0.8000"

// TestMemoryIsBounded is not parallel: it measures.
func TestMemoryIsBounded(t *testing.T) {
	const size = 16 << 20
	for name, c := range map[string]struct {
		text string
		read bool
	}{
		"one epoch drawn for ever":   {bar, false},
		"a line without end":         {"xxxxxxx: 1 - ", false},
		"a table without end":        {"epoch,loss\n", false},
		"trainings without end":      {"Epoch 1/3\n1s - loss: 0.5000\nEpoch 2/3\n1s - loss: 0.4000\n", true},
		"bars of several lengths":    {"Epoch 1/3\n1/1 - loss: 1.0\n2/2 - loss: 1.0\n3/3 - loss: 1.0\n", true},
		"metrics of many names":      {"Epoch 1/3\n" + manyMetrics(), true},
		"backspaces, returns, zeros": {"\b\r\x00\x1b[", false},
	} {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		r := &endless{text: c.text, left: size}
		_, err := history.Read(r, "endless")
		if !c.read {
			require.ErrorIs(t, err, history.ErrNotALog, name)
		} else {
			require.NoError(t, err, name)
		}
		require.Less(t, r.peak, before.HeapInuse+(24<<20), name)
	}
}

func manyMetrics() string {
	var b strings.Builder
	b.WriteString("1s - loss: 0.5000")
	for range 100 {
		b.WriteString(" - " + strings.Repeat("m", 10+b.Len()%97) + ": 0.5000")
	}
	return b.String() + "\n"
}

func TestMoreEpochsThanAreReadAreSaid(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, "epoch,loss\n")
		var b strings.Builder
		for i := 0; err == nil && i < 100_005; i++ {
			b.Reset()
			b.WriteString(itoa(i) + ",0.5\n")
			_, err = io.WriteString(w, b.String())
		}
		w.CloseWithError(err)
	}()
	log, err := history.Read(r, "long")
	require.NoError(t, err)
	require.Len(t, log.Epochs, 100_000)
	require.Contains(t, skipped(log), "those after 100000 were left out (5 times")
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

type broken struct{ r io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("the disk is gone")
	}
	return n, err
}

func TestAnErrorOfTheReaderIsReturned(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "Epoch 1/2\n1s - loss: 0.5\n", "epoch,loss\n0,1\n", "\xff\xfeE\x00"} {
		_, err := history.Read(broken{strings.NewReader(text)}, "x.log")
		require.ErrorContains(t, err, "the disk is gone", text)
		require.NotErrorIs(t, err, history.ErrNotALog, text)
	}
}

func BenchmarkReadBars(b *testing.B) {
	const size = 16 << 20
	b.SetBytes(size)
	for b.Loop() {
		text := "Epoch 1/2\n" + strings.Repeat(bar, 1000) + "\r10/10 [====] - 1s - loss: 0.4 - accuracy: 0.9\n"
		_, err := history.Read(&endless{text: text, left: size, next: 1 << 40}, "bars")
		require.NoError(b, err)
	}
}

func BenchmarkReadTable(b *testing.B) {
	const size = 16 << 20
	b.SetBytes(size)
	head := "epoch,accuracy,loss,val_accuracy,val_loss\n"
	row := "7,0.3603653609752655,1.3310972452163696,0.4438040256500244,1.2766032218933105\n"
	for b.Loop() {
		_, err := history.Read(io.MultiReader(strings.NewReader(head), &endless{text: row, left: size, next: 1 << 40}), "table")
		require.NoError(b, err)
	}
}
