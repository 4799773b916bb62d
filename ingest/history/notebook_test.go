package history_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// source cuts a text into its lines, as nbformat keeps it.
func source(text string) []string { return strings.SplitAfter(text, "\n") }

type dict = map[string]any

func stream(name, text string) dict {
	return dict{"output_type": "stream", "name": name, "text": source(text)}
}

func shown(text string) dict {
	return dict{"output_type": "execute_result", "execution_count": 1, "metadata": dict{}, "data": dict{
		"text/plain": source(text), "image/png": strings.Repeat("\\\"QUJD", 50_000),
	}}
}

func notebook4(t testing.TB, cells ...[]dict) string {
	t.Helper()
	list := []dict{{"cell_type": "markdown", "metadata": dict{}, "source": []string{"Epoch 1/2\n10/10 - 1s - loss: 9.0"}}}
	for _, outputs := range cells {
		list = append(list, dict{
			"cell_type": "code", "execution_count": 1, "metadata": dict{"tags": []string{}},
			"source": []string{"print('Epoch 1/2\\n1s - loss: 9')"}, "outputs": outputs,
		})
	}
	b, err := json.MarshalIndent(dict{"cells": list, "metadata": dict{"cells": []int{1}}, "nbformat": 4, "nbformat_minor": 5}, "", " ")
	require.NoError(t, err)
	return string(b)
}

const twoEpochs = "Epoch 1/2\n\x1b[1m10/10\x1b[0m \x1b[32m━━━━\x1b[0m \x1b[1m1s\x1b[0m 9ms/step - acc: 0.8000 - loss: 0.5000\nEpoch 2/2\n" +
	" 1/10 [>...] - ETA: 9s - loss: 9.0 - acc: 0.1\b\b\b\b\r10/10 [====] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n"

func TestNotebooks(t *testing.T) {
	t.Parallel()
	history3 := dict{"worksheets": []dict{{"metadata": dict{}, "cells": []dict{
		{"cell_type": "code", "outputs": []dict{{"output_type": "stream", "stream": "stdout", "text": source(twoEpochs)}}},
		{"cell_type": "code", "outputs": []dict{{"output_type": "pyout", "prompt_number": 2, "text": []string{"3"}}}},
	}}}, "nbformat": 3, "nbformat_minor": 0}
	three, err := json.Marshal(history3)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		text     string
		declared int
	}{
		"nbformat 4":            {notebook4(t, []dict{stream("stdout", twoEpochs)}), 2},
		"nbformat 3":            {string(three), 2},
		"text in one piece":     {`{"nbformat": 4, "cells": [{"outputs": [{"text": ` + quoted(twoEpochs) + `, "name": "stdout", "output_type": "stream"}]}]}`, 2},
		"pieces of one line":    {notebook4(t, []dict{stream("stdout", twoEpochs[:150]), stream("stderr", "WARNING: slow\n"), stream("stdout", twoEpochs[150:])}), 2},
		"epochs in two cells":   {notebook4(t, []dict{stream("stdout", twoEpochs[:strings.Index(twoEpochs, "Epoch 2")])}, []dict{stream("stdout", twoEpochs[strings.Index(twoEpochs, "Epoch 2"):])}), 2},
		"a History":             {notebook4(t, []dict{}, []dict{shown("{'loss': [0.5, 0.25],\n 'acc': [0.8, 0.9]}")}), 0},
		"a History, printed":    {notebook4(t, []dict{stream("stdout", "{'loss': [0.5, 0.25], 'acc': [np.float64(0.8), 0.9]}\n")}), 0},
		"a fit and its History": {notebook4(t, []dict{stream("stdout", twoEpochs)}, []dict{shown("{'loss': [0.5, 0.25],\n 'acc': [0.8, 0.9]}")}), 2},
		"an error behind it":    {notebook4(t, []dict{stream("stdout", twoEpochs), {"output_type": "error", "ename": "E", "traceback": []string{"Epoch 1/2"}}}), 2},
	} {
		log := read(t, c.text)
		require.Equal(t, history.FormatNotebook, log.Format, name)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, 1, log.Runs, name)
		require.Equal(t, c.declared, log.Declared, name)
		require.Empty(t, log.Skipped, name)
	}
}

func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// TestFitsOfANotebookAreTrainings: each is one, and notes say the cell.
func TestFitsOfANotebookAreTrainings(t *testing.T) {
	t.Parallel()
	log := read(t, notebook4(t,
		[]dict{stream("stdout", twoEpochs)},
		[]dict{stream("stdout", "10/10 - 1s - loss: 9.0000\n"), shown("[9.0, 0.1]")}, // evaluate
		[]dict{stream("stdout", strings.ReplaceAll(twoEpochs, "loss: 0.5", "loss: 0.7"))},
		[]dict{stream("stdout", "Epoch 1/2\n 3/10 [=>..] - ETA: 3s - loss: 0.1")}, // interrupted
	))
	require.Equal(t, []float64{0.7, 0.25}, series(log, "loss"))
	require.Contains(t, log.Notes[0].String(), "training 3 was read")
	require.Contains(t, log.Notes[0].String(), "of the output of cell 4)")
	require.Contains(t, skipped(log), "epoch 1 had not ended when the log did (step 3 of 10): left out (line 1 of the output of cell 5)")
}

func TestNotebooksWithoutEpochs(t *testing.T) {
	t.Parallel()
	whole := notebook4(t, []dict{stream("stdout", twoEpochs)})
	for text, found := range map[string]string{
		notebook4(t): "a notebook without the figures of an epoch in its outputs",
		notebook4(t, []dict{stream("stdout", "hello\n")}): "a notebook without the figures",
		whole[:len(whole)/2]:                              "a Jupyter notebook that is not whole: line",
		`{"cells": "none"}`:                               "a Jupyter notebook that is not whole",
		`{"cells": [], "nbformat": 4}`:                    "a notebook without the figures",
	} {
		_, err := history.Read(strings.NewReader(text), "x.ipynb")
		require.ErrorIs(t, err, history.ErrNotALog)
		require.ErrorContains(t, err, found)
	}
}

// FuzzNotebook holds that a notebook gives what its output gives alone, and that any bytes
// are read or refused alike, however they come.
func FuzzNotebook(f *testing.F) {
	f.Add([]byte(twoEpochs), []byte(notebook4(f, []dict{stream("stdout", twoEpochs)})))
	f.Add([]byte("{'loss': [1,\n2]}\n"), []byte(`{"cells": [{"outputs": [{"output_type": "stream", "text": ["Epoch 1/2\n"]}]}`))
	f.Add([]byte("Epoch 1/9\n1s - loss: nan"), []byte(`{"worksheets": [{"cells": [{"outputs": [{"text": 3, "data": {"text/plain": ["{'loss': [1]}"]}}]}]}]}`))
	f.Fuzz(func(t *testing.T, text, b []byte) {
		log, err := history.Read(bytes.NewReader(b), "fuzz")
		again, err2 := history.Read(iotest.OneByteReader(bytes.NewReader(b)), "fuzz")
		require.Equal(t, err == nil, err2 == nil)
		require.Empty(t, cmp.Diff(log, again, cmpopts.EquateNaNs()))
		plain := strings.ToValidUTF8(strings.ReplaceAll(string(text), "\x00", ""), "")
		if plain == "" || strings.ContainsAny(plain[:1], " \t\r\n\b\v\f{[\"dO\x1b") || len(plain) > maxLine || bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
			return // alone it is a value, or something else at its beginning
		}
		inside, err := history.Read(strings.NewReader(notebook4(t, []dict{stream("stdout", plain)})), "fuzz")
		outside, err2 := history.Read(strings.NewReader(plain), "fuzz")
		if err2 == nil {
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(outside.Epochs, inside.Epochs, cmpopts.EquateNaNs()))
		}
	})
}

const maxLine = 256 << 10
