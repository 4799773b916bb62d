package history_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/epochwatch/epochwatch/ingest/history"
)

const boards = "testdata/tensorboard"

// TestAFolderGivesWhatFitReturned holds real folders against the History of the same fit.
func TestAFolderGivesWhatFitReturned(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"keras", "every"} {
		log, err := history.ReadFolder(os.DirFS(filepath.Join(boards, name)), name)
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(boards, name, "history.json"))
		require.NoError(t, err)
		want, err := history.Read(bytes.NewReader(b), name)
		require.NoError(t, err)
		require.Len(t, log.Epochs, len(want.Epochs))
		for i, e := range log.Epochs {
			w := want.Epochs[i]
			require.Equal(t, w.Epoch, e.Epoch)
			require.Empty(t, cmp.Diff(w.Metrics, e.Metrics, cmpopts.EquateApprox(1e-6, 0)), "%s %d", name, i)
			if name == "every" {
				require.InEpsilon(t, 0.5*math.Pow(0.9, float64(i+1)), e.LearningRate, 1e-6)
				require.Equal(t, i%2 == 1, len(e.Metrics) == 4)
			}
			require.Equal(t, i == 0, math.IsNaN(e.Seconds))
		}
		require.Equal(t, history.FormatTensorBoard, log.Format)
		require.Empty(t, log.Notes)
	}
	log, err := history.ReadFolder(os.DirFS(filepath.Join(boards, "every")), "every")
	require.NoError(t, err)
	require.Contains(t, skipped(log), `scalars that are none of an epoch, such as "batch_`)
}

// TestEventFilesAlone: one file says by its tags which side it is of.
func TestEventFilesAlone(t *testing.T) {
	t.Parallel()
	log := readEvents(t, "keras/train")
	require.Contains(t, log.Epochs[0].Metrics, "loss")
	log = readEvents(t, "keras/validation")
	require.Contains(t, log.Epochs[0].Metrics, "val_loss")
	require.NotContains(t, log.Epochs[0].Metrics, "loss")
	require.Contains(t, skipped(log), "a validation alone")
	log = readEvents(t, "simple")
	require.Equal(t, []int{0, 1, 2, 3, 4}, numbers(log))
	require.Empty(t, cmp.Diff([]float64{1, 0.5, 1 / 3., 0.25, 0.2}, series(log, "loss"), cmpopts.EquateApprox(1e-6, 0)))
	require.Empty(t, cmp.Diff([]float64{2, 1, 2 / 3., 0.5, 0.4}, series(log, "val_loss"), cmpopts.EquateApprox(1e-6, 0)))
	require.Contains(t, skipped(log), "each step was taken for one")
	require.Equal(t, []float64{1.5, 1.5, 1.5, 1.5, 3, 3}, series(readEvents(t, "types"), "loss"))
}

func eventFile(t testing.TB, folder string) []byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(boards, folder, "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	b, err := os.ReadFile(names[0])
	require.NoError(t, err)
	return b
}

func readEvents(t *testing.T, folder string) history.Log {
	t.Helper()
	log, err := history.Read(bytes.NewReader(eventFile(t, folder)), folder)
	require.NoError(t, err)
	return log
}

// TestALiveFileIsReadAndADamagedOneIsNot cuts and damages a real file at every byte.
func TestALiveFileIsReadAndADamagedOneIsNot(t *testing.T) {
	t.Parallel()
	whole := eventFile(t, "keras/train")
	starts := map[int]bool{}
	for at := 0; at < len(whole); at += 16 + int(binary.LittleEndian.Uint64(whole[at:])) {
		starts[at] = true
	}
	for n := 600; n < len(whole); n++ {
		log, err := history.Read(bytes.NewReader(whole[:n]), "live")
		require.NoError(t, err, n)
		if starts[n] {
			require.NotContains(t, skipped(log), "in the middle of a record", n)
		} else {
			require.Contains(t, skipped(log), "in the middle of a record", n)
		}
	}
	for i := 12; i < len(whole); i++ {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		_, err := history.Read(bytes.NewReader(b), "damaged")
		require.ErrorContains(t, err, "checksum", i)
		require.NotErrorIs(t, err, history.ErrNotALog, i)
	}
	b := bytes.Clone(whole)
	b[len(b)-6] ^= 1
	_, err := history.Read(bytes.NewReader(b), "damaged")
	last := 0
	for at := range starts {
		last = max(last, at)
	}
	require.ErrorContains(t, err, fmt.Sprintf("record at byte %d: the checksum of its data is wrong", last))
}

// events writes an event file: at each step the scalars by tag, a second apart.
func events(at float64, steps []int, tags ...string) []byte {
	var out []byte
	for _, step := range steps {
		at++
		for _, tag := range tags {
			v := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), tag)
			v = protowire.AppendFixed32(protowire.AppendTag(v, 2, protowire.Fixed32Type), math.Float32bits(float32(at)))
			s := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), v)
			e := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(at))
			e = protowire.AppendVarint(protowire.AppendTag(e, 2, protowire.VarintType), uint64(step))
			e = protowire.AppendBytes(protowire.AppendTag(e, 5, protowire.BytesType), s)
			out = append(out, framed(e)...)
		}
	}
	return out
}

func framed(data []byte) []byte {
	sum := func(b []byte) uint32 {
		c := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
		return (c>>15 | c<<17) + 0xa282ead8
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	out = binary.LittleEndian.AppendUint32(out, sum(out))
	return binary.LittleEndian.AppendUint32(append(out, data...), sum(data))
}

func folderOf(files map[string][]byte) fs.FS {
	m := fstest.MapFS{}
	for name, b := range files {
		m[name] = &fstest.MapFile{Data: b}
	}
	return m
}

func TestFoldersOfEveryKind(t *testing.T) {
	t.Parallel()
	const f = "events.out.tfevents."
	for name, c := range map[string]struct {
		files  map[string][]byte
		epochs []int
		val    []float64 // 0 where there is none
		runs   int
		said   string
	}{
		"validation every second epoch": {map[string][]byte{
			"train/" + f + "1": events(10, []int{0, 1, 2, 3}, "epoch_loss"), "validation/" + f + "2": events(13, []int{1, 3}, "epoch_loss"),
		}, []int{0, 1, 2, 3}, []float64{0, 14, 0, 15}, 1, ""},
		"the training's side is behind": {map[string][]byte{
			"train/" + f + "1": events(10, []int{0, 1, 2}, "epoch_loss"), "validation/" + f + "2": events(12, []int{0, 1, 2, 3}, "epoch_loss"),
		}, []int{0, 1, 2}, []float64{13, 14, 15}, 1, ""},
		"started again": {map[string][]byte{
			"train/" + f + "1": events(10, []int{0, 1, 2, 3}, "epoch_loss"), "train/" + f + "2": events(100, []int{2, 3, 4}, "epoch_loss"),
			"validation/" + f + "1": events(11, []int{0, 1, 2, 3}, "epoch_loss"), "validation/" + f + "2": events(101, []int{2}, "epoch_loss"),
		}, []int{0, 1, 2, 3, 4}, []float64{12, 13, 102, 0, 0}, 1, "started again at epoch 2"},
		"two fits in one folder": {map[string][]byte{
			"train/" + f + "1": events(10, []int{0, 1, 2}, "epoch_loss"), "train/" + f + "2": events(100, []int{0, 1, 2}, "epoch_loss"),
			"validation/" + f + "1": events(11, []int{0, 1, 2}, "epoch_loss"),
		}, []int{0, 1, 2}, []float64{0, 0, 0}, 2, "training 2 was read"},
		"several log folders": {map[string][]byte{
			"b/train/" + f + "1": events(10, []int{0, 1}, "epoch_loss"), "b/validation/" + f + "1": events(10, []int{0, 1}, "epoch_loss"),
			"a/train/" + f + "1": events(100, []int{0, 1, 2, 3}, "epoch_loss"), "notes.txt": []byte("hello"), "c/train/" + f + "9": {},
		}, []int{0, 1, 2, 3}, []float64{0, 0, 0, 0}, 2, "training 1 (a) was read"},
		"gaps": {map[string][]byte{
			f + "1": events(10, []int{0, 1, 5, 9}, "epoch_loss", "epoch_acc"),
		}, []int{0, 1, 5, 9}, []float64{0, 0, 0, 0}, 1, ""},
	} {
		log, err := history.ReadFolder(folderOf(c.files), "logs")
		require.NoError(t, err, name)
		require.Equal(t, c.epochs, numbers(log), name)
		require.Equal(t, c.val, series(log, "val_loss"), name)
		require.Equal(t, c.runs, log.Runs, name)
		if c.said != "" {
			require.Contains(t, fmt.Sprint(log.Notes), c.said, name)
		} else {
			require.Empty(t, log.Notes, name)
		}
	}
}

func TestFoldersThatAreNoLogs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string][]byte
		found string
	}{
		"empty":          {nil, "a folder without TensorBoard event files"},
		"other files":    {map[string][]byte{"a/b.txt": []byte("Epoch 1/2\n1s - loss: 1\n")}, "a folder without TensorBoard event files"},
		"no scalars":     {map[string][]byte{"events.out.tfevents.1": framed(nil)}, "events without any scalars"},
		"other scalars":  {map[string][]byte{"events.out.tfevents.1": events(1, []int{0, 1}, "speed")}, "2 scalars, but no epoch_loss"},
		"only its name":  {map[string][]byte{"events.out.tfevents.1": []byte("a picture, by mistake")}, "no event file"},
		"not yet a byte": {map[string][]byte{"events.out.tfevents.1": nil}, "events without any scalars"},
	} {
		_, err := history.ReadFolder(folderOf(c.files), "logs")
		require.ErrorContains(t, err, c.found, name)
	}
}

// FuzzEvents holds for any message in a sound frame, and for any bytes, that they are read or
// refused, the same however they come, with epochs that go up and have figures.
func FuzzEvents(f *testing.F) {
	f.Add(eventFile(f, "keras/train"), []byte(nil))
	f.Add(eventFile(f, "types"), events(1, []int{0}, "epoch_loss")[12:44])
	f.Add(events(1, []int{0, 0, 1}, "loss", "epoch_val_loss"), []byte("\x2a\x08\x0a\x06\x0a\x04loss"))
	f.Fuzz(func(t *testing.T, file, data []byte) {
		for _, b := range [][]byte{file, append(bytes.Clone(file), framed(data)...), append(framed(data), file...)} {
			log, err := history.Read(bytes.NewReader(b), "fuzz")
			again, err2 := history.Read(iotest.OneByteReader(bytes.NewReader(b)), "fuzz")
			require.Equal(t, fmt.Sprint(err), fmt.Sprint(err2))
			require.Empty(t, cmp.Diff(log, again, cmpopts.EquateNaNs()))
			for i, e := range log.Epochs {
				require.NotEmpty(t, e.Metrics)
				require.True(t, i == 0 || e.Epoch > log.Epochs[i-1].Epoch)
			}
		}
	})
}

// TestARecordOfAnyLengthIsReadInBoundedMemory is not parallel: it measures.
func TestARecordOfAnyLengthIsReadInBoundedMemory(t *testing.T) {
	head := binary.LittleEndian.AppendUint64(nil, 64<<20)
	c := crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli))
	head = binary.LittleEndian.AppendUint32(head, (c>>15|c<<17)+0xa282ead8)
	r := &endless{text: "x", left: 32 << 20}
	_, err := history.Read(io.MultiReader(bytes.NewReader(head), r), "large")
	require.ErrorIs(t, err, history.ErrNotALog)
	require.Less(t, r.peak, uint64(64<<20))
}

// TestHistoryOfTheCallback holds the JSON of a real fit to what encoding/json reads.
func TestHistoryOfTheCallback(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join(boards, "keras", "history.json"))
	require.NoError(t, err)
	var want map[string][]float64
	require.NoError(t, json.Unmarshal(b, &want))
	log, err := history.Read(bytes.NewReader(b), "history.json")
	require.NoError(t, err)
	for name, v := range want {
		require.Equal(t, v, series(log, name), name)
	}
}
