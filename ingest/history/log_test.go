package history_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

func read(t *testing.T, text string) history.Log {
	t.Helper()
	log, err := history.Read(strings.NewReader(text), "x.log")
	require.NoError(t, err)
	return log
}

// losses returns one metric of every epoch.
func series(log history.Log, name string) []float64 {
	var v []float64
	for _, e := range log.Epochs {
		v = append(v, e.Metrics[name])
	}
	return v
}

func TestConsoleOfEveryKeras(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"Keras 1, verbose 2":  "Epoch 1/2\n191s - loss: 0.5 - acc: 0.8 - val_loss: 0.6\n\nEpoch 2/2\n192s - loss: 0.25 - acc: 0.9 - val_loss: 0.5\n",
		"Keras 2, bar":        "Epoch 1/2\n 1/10 [>...] - ETA: 9s - loss: 9.0 - acc: 0.1\r10/10 [====] - 3s 2ms/step - loss: 0.5 - acc: 0.8 - val_loss: 0.6\nEpoch 2/2\n10/10 [====] - 3s - loss: 0.25 - acc: 0.9 - val_loss: 0.5\n",
		"backspaces":          "Epoch 1/2\n 1/10 - loss: 9.0\b\b\b\b\b10/10 - 1s - loss: 0.5 - acc: 0.8 - val_loss: 0.6\nEpoch 2/2\n10/10 - 1s - loss: 0.25 - acc: 0.9 - val_loss: 0.5",
		"Keras 3, colours":    "Epoch 1/2\n\x1b[1m10/10\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m1s\x1b[0m 12ms/step - acc: 0.8 - loss: 0.5 - val_loss: 0.6\nEpoch 2/2\n\x1b[1m10/10\x1b[0m \x1b[1m1s\x1b[0m 12ms/step - acc: 0.9 - loss: 2.5e-01 - val_loss: 0.5\n",
		"header glued to bar": "Epoch 1/2 10/10 - 1s - loss: 0.5 - acc: 0.8 - val_loss: 0.6Epoch 2/2 10/10 - 1s - loss: 0.25 - acc: 0.9 - val_loss: 0.5\n",
		"messages between":    "Using JAX backend.\nEpoch 1/2\n10/10 - 1s - loss: 0.5 - acc: 0.8 - val_loss: 0.6\n\nEpoch 00001: val_loss improved from inf to 0.60000, saving model to a.h5\nEpoch 2/2\n10/10 - 1s - loss: 0.25 - acc: 0.9 - val_loss: 0.5\nEpoch 2: val_loss: 9.9\n",
		"Windows":             "Epoch 1/2\r\n10/10 - 1s - loss: 0.5 - acc: 0.8 - val_loss: 0.6\r\nEpoch 2/2\r\n10/10 - 1s - loss: 0.25 - acc: 0.9 - val_loss: 0.5\r\n",
	} {
		log := read(t, text)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, []float64{0.6, 0.5}, series(log, "val_loss"), name)
		require.Equal(t, []int{1, 2}, []int{log.Epochs[0].Epoch, log.Epochs[1].Epoch}, name)
		require.Equal(t, 2, log.Declared, name)
	}
}

func TestNonFiniteRatesAndTimes(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/3\n191s - loss: nan - val_loss: inf - lr: 1.0000e-03\nEpoch 2/3\n1:02:03s - loss: -inf\n")
	require.True(t, math.IsNaN(log.Epochs[0].Metrics["loss"]))
	require.True(t, math.IsInf(log.Epochs[0].Metrics["val_loss"], 1))
	require.True(t, math.IsInf(log.Epochs[1].Metrics["loss"], -1))
	require.InDelta(t, 1e-3, log.Epochs[0].LearningRate, 0)
	require.NotContains(t, log.Epochs[0].Metrics, "lr")
	require.InDelta(t, 191, log.Epochs[0].Seconds, 0)
	require.InDelta(t, 3723, log.Epochs[1].Seconds, 0)
}

func TestAnEpochThatWasCutOffIsLeftOutAndSaid(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/9\n10/10 - 1s - loss: 0.5\nEpoch 2/9\n 3/10 [=>..] - ETA: 3s - loss: 0.1")
	require.Equal(t, []float64{0.5}, series(log, "loss"))
	require.Len(t, log.Skipped, 1)
	require.Contains(t, log.Skipped[0].Text, "epoch 2 had not ended when the log did (step 3 of 10)")
}

func TestTables(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"commas":      "epoch,acc,loss,lr,val_loss\n0,0.8,0.5,0.001,0.6\n1,0.9,0.25,0.001,0.5\n",
		"semicolons":  "epoch;loss;acc;val_loss\n0;0,5;0.8;0.6\n1;0.25;0.9;0.5\n",
		"tabs":        "epoch\tloss\tacc\tval_loss\r\n0\t0.5\t0.8\t0.6\r\n1\t0.25\t0.9\t0.5\r\n",
		"a mark":      "\xef\xbb\xbfepoch,loss,acc,val_loss\n0,0.5,0.8,0.6\n1,0.25,0.9,0.5\n",
		"no epoch":    "loss,acc,val_loss\n0.5,0.8,0.6\n0.25,0.9,0.5\n",
		"a blank row": "epoch,loss,acc,val_loss\n\n0,0.5,0.8,0.6\n\n1,0.25,0.9,0.5\n",
		"UTF-16":      utf16le("epoch,loss,acc,val_loss\n0,0.5,0.8,0.6\n1,0.25,0.9,0.5\n"),
	} {
		log := read(t, text)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, []float64{0.6, 0.5}, series(log, "val_loss"), name)
		require.Equal(t, 0, log.Epochs[0].Epoch, name)
	}
}

func utf16le(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func TestMissingValuesAreLeftOutAndOddOnesSaid(t *testing.T) {
	t.Parallel()
	log := read(t, "epoch,loss,val_loss,note\n0,0.5,NA,good\n1,nan,,x\n2,oops,0.5,x\nthree,1,1,x\n")
	require.Len(t, log.Epochs, 3)
	require.NotContains(t, log.Epochs[0].Metrics, "val_loss")
	require.True(t, math.IsNaN(log.Epochs[1].Metrics["loss"]))
	require.NotContains(t, log.Epochs[2].Metrics, "loss")
	require.Len(t, log.Skipped, 3)
}

func TestOfSeveralTrainingsTheLastLongOneIsTaken(t *testing.T) {
	t.Parallel()
	run := func(n int, loss string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("Epoch " + string(rune('1'+i)) + "/9\n1s - loss: " + loss + "\n")
		}
		return b.String()
	}
	log := read(t, run(8, "0.1")+run(9, "0.2")+run(2, "0.3"))
	require.Equal(t, 3, log.Runs)
	require.Len(t, log.Epochs, 9)
	require.InDelta(t, 0.2, log.Epochs[0].Metrics["loss"], 0)
	require.Len(t, read(t, run(2, "0.1")+run(5, "0.2")+run(3, "0.3")).Epochs, 5)
}

func TestWhatIsNoLog(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":  " \n",
		"prose":  "Dear all,\nthe loss of the match was hard.\n",
		"binary": "\x7fELF\x00\x01",
		"table":  "name,age\nbob,3\n",
	} {
		_, err := history.Read(strings.NewReader(text), "x.log")
		require.ErrorIs(t, err, history.ErrNotALog, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
}

func TestALineWithoutEndIsReadInBoundedMemory(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/2\n1s - loss: 0.5\n"+strings.Repeat("x", 1<<20)+"\nEpoch 2/2\n1s - loss: 0.25\n")
	require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"))
	require.Len(t, log.Skipped, 1)
}

// FuzzRead holds for any bytes that they are read or refused, that epochs go up and have
// figures, and that it does not matter in what pieces the bytes come.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"Epoch 1/2\n1s - loss: 0.5\r\n", "epoch,loss\n0,1\n", "\xff\xfee\x00", "Epoch 1/2 1/1 - loss: nan - lr: 1e999", "loss;val_loss\n1,2;\"\n",
		"Epoch 1/1092/92 [==] - 1s - loss: 0.161319/35 [=] - ETA: 1s - loss: 0.5 0s - loss: 1\b\b\r\x1b[1m2/2\x1b[0m",
		"epoch\tloss\n0\t\"1\n1\tNA\nepoch\tacc\n0\t0,5",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := history.Read(bytes.NewReader(b), "fuzz")
		again, err2 := history.Read(iotest.OneByteReader(bytes.NewReader(b)), "fuzz")
		if err != nil {
			require.ErrorIs(t, err, history.ErrNotALog)
			require.Error(t, err2)
			return
		}
		require.Empty(t, cmp.Diff(log, again, cmpopts.EquateNaNs()))
		for i, e := range log.Epochs {
			require.NotEmpty(t, e.Metrics)
			if i > 0 {
				require.Greater(t, e.Epoch, log.Epochs[i-1].Epoch)
			}
		}
	})
}
