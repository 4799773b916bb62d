package history_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// forms write epochs with their losses in every form that numbers them.
var forms = map[string]func(epochs []int, loss []float64) string{
	"console": func(epochs []int, loss []float64) string {
		var b strings.Builder
		for i, e := range epochs {
			fmt.Fprintf(&b, "Epoch %d/99\r\n10/10 - 1s - loss: %.4f\r\n", e, loss[i])
		}
		return b.String()
	},
	"table": func(epochs []int, loss []float64) string {
		var b strings.Builder
		b.WriteString("epoch,loss\r\n")
		for i, e := range epochs {
			fmt.Fprintf(&b, "%d,%v\r\n", e, loss[i])
		}
		return b.String()
	},
	"records": func(epochs []int, loss []float64) string {
		var b strings.Builder
		for i, e := range epochs {
			fmt.Fprintf(&b, "{\"epoch\": %d, \"loss\": %v}\r\n", e, loss[i])
		}
		return b.String()
	},
	"callback": func(epochs []int, loss []float64) string {
		return strings.ReplaceAll(fmt.Sprintf(`{"epoch":%v,"history":{"loss":%v}}`, epochs, loss), " ", ",")
	},
}

// TestEpochsThatDoNotGoUpByOne: gaps stay gaps, what is written again replaces what was,
// and each form says so.
func TestEpochsThatDoNotGoUpByOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		epochs []int
		loss   []float64
		want   map[int]float64
		said   string
	}{
		"one":       {[]int{7}, []float64{0.5}, map[int]float64{7: 0.5}, ""},
		"skips":     {[]int{1, 2, 5, 9}, []float64{4, 3, 2, 1}, map[int]float64{1: 4, 2: 3, 5: 2, 9: 1}, ""},
		"repeats":   {[]int{1, 2, 3, 3, 4}, []float64{5, 4, 3, 2, 1}, map[int]float64{1: 5, 2: 4, 3: 2, 4: 1}, "started again at epoch 3|rows of the same epoch"},
		"goes back": {[]int{1, 2, 3, 4, 2, 3}, []float64{6, 5, 4, 3, 2, 1}, map[int]float64{1: 6, 2: 2, 3: 1}, "started again at epoch 2"},
	} {
		for form, write := range forms {
			log := read(t, write(c.epochs, c.loss))
			got := map[int]float64{}
			for _, e := range log.Epochs {
				got[e.Epoch] = e.Metrics["loss"]
			}
			require.Equal(t, c.want, got, "%s, %s", name, form)
			require.Equal(t, 1, log.Runs, "%s, %s", name, form)
			if c.said == "" {
				require.Empty(t, skipped(log), "%s, %s", name, form)
			} else {
				require.Regexp(t, c.said, skipped(log)+fmt.Sprint(log.Notes), "%s, %s", name, form)
			}
		}
	}
}

// TestMetricsThatAppearOrVanish are missing where they are, never zero.
func TestMetricsThatAppearOrVanish(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"console": "Epoch 1/4\n1s - loss: 4.0\nEpoch 2/4\n1s - loss: 3.0 - val_loss: 2.0\nEpoch 3/4\n1s - loss: 2.0\nEpoch 4/4\n1s - loss: 1.0 - val_loss: 1.0\n",
		"table":   "epoch,loss,val_loss\n1,4,\n2,3,2\n3,2,NA\n4,1,1\n",
		"records": `[{"epoch": 1, "loss": 4}, {"epoch": 2, "loss": 3, "val_loss": 2}, {"epoch": 3, "loss": 2, "val_loss": null}, {"epoch": 4, "loss": 1, "val_loss": 1}]`,
		"history": `{"epoch": [1, 2, 3, 4], "history": {"loss": [4, 3, 2, 1], "val_loss": [null, 2, null, 1]}}`,
		"freq":    `{"epoch": [1, 2, 3, 4], "history": {"loss": [4, 3, 2, 1], "val_loss": [2, 1]}}`,
	} {
		log := read(t, text)
		require.Equal(t, []float64{4, 3, 2, 1}, series(log, "loss"), name)
		for _, e := range log.Epochs {
			_, ok := e.Metrics["val_loss"]
			want := e.Epoch%2 == 0
			if name == "freq" {
				want = e.Epoch%2 == 1 // validation_freq counts from the epoch numbered 0
			}
			require.Equal(t, want, ok, "%s, epoch %d", name, e.Epoch)
		}
	}
}

// TestSeveralOutputsAndPercentages are read as they stand; what is no plain number is said.
func TestSeveralOutputsAndPercentages(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/2\n10/10 - 1s - age_loss: 3.0000 - age_mae: 1.5000 - loss: 3.5000 - sex_accuracy: 85.2500 - sex_loss: 0.5000 - val_age_loss: 4.0000 - val_loss: 4.5000\n"+
		"Epoch 2/2\n10/10 - 1s - age_loss: 2.0000 - age_mae: 1.2500 - loss: 2.5000 - sex_accuracy: 90% - sex_loss: 0.5000 - f1: [0.1 -0.2] - val_loss: 0,5\n")
	require.Equal(t, map[string]float64{
		"age_loss": 3, "age_mae": 1.5, "loss": 3.5, "sex_accuracy": 85.25, "sex_loss": 0.5, "val_age_loss": 4, "val_loss": 4.5,
	}, log.Epochs[0].Metrics)
	require.Equal(t, map[string]float64{"age_loss": 2, "age_mae": 1.25, "loss": 2.5, "sex_loss": 0.5}, log.Epochs[1].Metrics)
	require.Contains(t, skipped(log), "of which a part was not understood")
}

// TestTheLastNumberOfATableThatWasCut is never another number.
func TestTheLastNumberOfATableThatWasCut(t *testing.T) {
	t.Parallel()
	const whole = "epoch,loss,val_loss\n0,0.5,9.876543e-05\n1,0.25,123.456789\n2,0.125,4.5e-12\n3,0.1,150\n"
	for n := strings.Index(whole, "1,0.25"); n < len(whole); n++ {
		log := read(t, whole[:n])
		for _, e := range log.Epochs {
			v, ok := e.Metrics["val_loss"]
			want := []float64{9.876543e-05, 123.456789, 4.5e-12, 150}[e.Epoch]
			require.True(t, !ok || v == want || v > want*0.999 && v <= want, "%q: %v", whole[:n], v)
		}
	}
}

// TestAHundredThousandEpochs are read in every form.
func TestAHundredThousandEpochs(t *testing.T) {
	t.Parallel()
	const n = 100_000
	var list, table strings.Builder
	for i := range n {
		v := strconv.FormatFloat(1/float64(i+1), 'g', -1, 64)
		list.WriteString(v + ", ")
		table.WriteString(strconv.Itoa(i) + "," + v + "\n")
	}
	for name, text := range map[string]string{
		"JSON": `{"loss": [` + strings.TrimSuffix(list.String(), ", ") + `]}`, "repr": `{'loss': [` + list.String() + `]}`, "table": "epoch,loss\n" + table.String(),
	} {
		log := read(t, text)
		require.Len(t, log.Epochs, n, name)
		require.Equal(t, n-1, log.Epochs[n-1].Epoch, name)
		require.InDelta(t, 1/float64(n), log.Epochs[n-1].Metrics["loss"], 0, name)
	}
}

// sizeVariable gives the length in MB of the log that TestALongLogIsReadInBoundedMemory reads.
const sizeVariable = "EPOCHWATCH_LONG_LOG"

// TestALongLogIsReadInBoundedMemory is not parallel: it measures. A log of 2 GB takes 2048.
func TestALongLogIsReadInBoundedMemory(t *testing.T) {
	size := 32
	if text := os.Getenv(sizeVariable); text != "" {
		var err error
		size, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	r, w := io.Pipe()
	go func() {
		var err error
		for written, epoch := 0, 1; err == nil && written < size<<20; epoch++ {
			var b strings.Builder
			fmt.Fprintf(&b, "Epoch %d/99999\n", epoch)
			for step := 1; step <= 2000; step++ {
				fmt.Fprintf(&b, "\r%5d/2000 [=====>.....] - ETA: %ds - loss: %.4f - accuracy: 0.8000", step, 9-step/250, 2+1/float64(step))
			}
			fmt.Fprintf(&b, "\r 2000/2000 [==========] - 9s 4ms/step - loss: %.4f - accuracy: 0.8000 - val_loss: 1.5000\n", 1/float64(epoch))
			var n int
			n, err = io.WriteString(w, b.String())
			written += n
		}
		w.CloseWithError(err)
	}()
	watched := &watchedReader{r: r}
	log, err := history.Read(watched, "long")
	require.NoError(t, err)
	require.Greater(t, len(log.Epochs), size*6/2)
	require.Equal(t, len(log.Epochs), log.Epochs[len(log.Epochs)-1].Epoch)
	require.InDelta(t, 1/float64(len(log.Epochs)), log.Epochs[len(log.Epochs)-1].Metrics["loss"], 1e-4)
	require.Empty(t, log.Skipped)
	require.Less(t, watched.peak, uint64(200<<20))
	t.Logf("%d MB, %d epochs: at most %d MB of heap", size, len(log.Epochs), watched.peak>>20)
}

// watchedReader looks at the heap every few megabytes.
type watchedReader struct {
	r          io.Reader
	peak       uint64
	read, next int
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if r.read += n; r.read >= r.next {
		r.next = r.read + 8<<20
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r.peak = max(r.peak, m.HeapInuse)
	}
	return n, err
}
