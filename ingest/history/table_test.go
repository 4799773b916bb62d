package history_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

func TestTablesAsTheyAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, said string }{
		"appended with a header":                         {"epoch,loss,acc\n0,7,0.1\nepoch,acc,loss,lr\n0,0.8,0.5,1e-3\n1,0.9,0.25,1e-3\n", ""},
		"appended with another column, without a header": {"epoch,loss,acc\n0,0.5,0.8\n1,0.25,0.9\n0,0.1,0.2,0.3\n", "rows with 4 fields under a header of 3"},
		"ends in the middle of a row":                    {"epoch,loss,acc\n0,0.5,0.8\n1,0.25,0.9\n2,0.1", "in the middle of a row"},
		"quoted values":                                  {"\"epoch\",\"loss\",\"acc\",\"f1\"\n0,\"0.5\",0.8,\"[0.1, 0.2]\"\n1,0.25,0.9,\"[0.1, \"\"0.2\"\"]\"\n", "values of \"f1\" that are no numbers"},
		"columns in any order":                           {"acc,val_loss,epoch,loss\n0.8,1,0,0.5\n0.9,1,1,0.25\n", ""},
		"pandas":                                         {",loss,acc\n0,0.5,0.8\n1,0.25,0.9\n", ""},
		"a line before the header":                       {"# run of Tuesday\nepoch,loss,acc\n0,0.5,0.8\n1,0.25,0.9\n", ""},
		"rows that are none":                             {"epoch,loss,acc\n0,0.5,0.8\n-1,7,7\n1.5,7,7\nx,7,7\n99999999999,7,7\n1.0,0.25,0.9\n", "without a readable epoch number"},
		"NumPy's numbers":                                {"epoch,loss,acc\n0,np.float32(0.5),0.8\n1,np.float64(0.25),0.9\n", ""},
		"points and commas":                              {"epoch;loss;acc\n0;0,5;0.8\n1;0,25;0,9\n", ""},
	} {
		log := read(t, c.text)
		require.Equal(t, history.FormatCSVLogger, log.Format, name)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, []int{0, 1}, numbers(log), name)
		if c.said == "" {
			require.Empty(t, log.Skipped, name)
		} else {
			require.Contains(t, skipped(log), c.said, name)
		}
	}
}

func TestAValueThatWasCutInTwoIsLeftOut(t *testing.T) {
	t.Parallel()
	const rows = "epoch,loss,val_loss\n0,0.5,1.331097245216369\n1,0.25,1.276603221893310\n2,0.2,"
	require.NotContains(t, read(t, rows+"1.16").Epochs[2].Metrics, "val_loss")
	require.Contains(t, read(t, rows+"1.16\n").Epochs[2].Metrics, "val_loss")
	require.Contains(t, read(t, rows+"1.163344556677889").Epochs[2].Metrics, "val_loss")
	require.Contains(t, read(t, "epoch,loss\n0,0.5\n1,0.25").Epochs[1].Metrics, "loss")
}

// TestAConsoleThatBeginsLikeATableIsRead holds that a first line with commas decides nothing.
func TestAConsoleThatBeginsLikeATableIsRead(t *testing.T) {
	t.Parallel()
	log := read(t, "epoch,loss\nmonitor=val_loss,my_loss\nEpoch 1/2\n10/10 - 1s - loss: 0.5000\n0,7\nEpoch 2/2\n10/10 - 1s - loss: 0.2500\n")
	require.Equal(t, history.FormatConsole, log.Format)
	require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"))
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	const console = "Modèle 🚀\r\nEpoch 1/2\r\n10/10 - 1s - loss: 0.5000 - précision: 0.8000\r\nEpoch 2/2\r\n10/10 - 1s - loss: 0.2500 - précision: 0.9000\r\n"
	units := utf16.Encode([]rune(console))
	little, _ := binary.Append(nil, binary.LittleEndian, units)
	big, _ := binary.Append(nil, binary.BigEndian, units)
	latin := bytes.ReplaceAll(bytes.ReplaceAll([]byte(console), []byte("🚀"), nil), []byte("é"), []byte("\xe9"))
	latin = bytes.ReplaceAll(latin, []byte("è"), []byte("\xe8"))
	for name, b := range map[string][]byte{
		"UTF-8": []byte(console), "UTF-8 with a mark": append([]byte("\xef\xbb\xbf"), console...), "ISO 8859-1": latin,
		"UTF-16 LE": append([]byte("\xff\xfe"), little...), "UTF-16 BE": append([]byte("\xfe\xff"), big...),
		"UTF-16 LE without a mark": little[2*len([]rune("Modèle 🚀.")):], "UTF-16 BE without a mark": big[2*len([]rune("Modèle 🚀.")):],
		"UTF-16 LE, half a letter at the end":         append(append([]byte("\xff\xfe"), little...), 'x'),
		"zeros in front, as copytruncate leaves them": append(make([]byte, 600_000), console...),
	} {
		log, err := history.Read(bytes.NewReader(b), name)
		require.NoError(t, err, name)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "précision"), name)
		require.Empty(t, log.Skipped, name)
	}
}

func TestWhatWasFoundInsteadOfALogIsSaid(t *testing.T) {
	t.Parallel()
	for text, found := range map[string]string{
		"":                              "found nothing: it is empty",
		" \r\n\t\n":                     "found nothing: it is empty",
		"Dear all,\nthe match was lost": `found 2 lines of text, beginning with "Dear all,"`,
		"name,age\nbob,3\n":             `found 2 lines of text, beginning with "name,age"`,
		"epoch,loss\n":                  `found 1 line of text`,
		"Epoch 1/20\n":                  `found 1 line of text`,
		"\x89HDF\r\n\x1a\n":             "an HDF5 file",
		"PK\x03\x04":                    "a zip archive",
		"\x1f\x8b\x08":                  "a gzip file: unpack it first",
		"\x00\x01\x02\x03\x04binary":    "binary data",
		"{\n \"cells\": [":              "a Jupyter notebook",
	} {
		_, err := history.Read(strings.NewReader(text), "x.log")
		require.ErrorIs(t, err, history.ErrNotALog, text)
		require.ErrorContains(t, err, found, text)
		require.ErrorContains(t, err, "looked for Keras console output", text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}

func TestValuesWithoutEnd(t *testing.T) {
	t.Parallel()
	log := read(t, "epoch,loss,a_loss,b_loss,c\n0,nan,inf,-inf,1e999\n1,NaN,Infinity,-Infinity,-1e999\n")
	for _, e := range log.Epochs {
		require.True(t, math.IsNaN(e.Metrics["loss"]))
		require.True(t, math.IsInf(e.Metrics["a_loss"], 1))
		require.True(t, math.IsInf(e.Metrics["b_loss"], -1))
		require.True(t, math.IsInf(e.Metrics["c"], 1-2*e.Epoch))
	}
}
