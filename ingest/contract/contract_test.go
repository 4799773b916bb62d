package contract_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

func golden(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("v1", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, paths, pattern)
	out := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		out[strings.TrimSuffix(filepath.Base(p), ".json")] = b
	}
	return out
}

// decode reads a golden message by the kind that its name says and writes it back.
func decode(name string, b []byte) (any, []byte, error) {
	if strings.HasPrefix(name, "command_") {
		c, err := contract.DecodeCommand(b)
		if err != nil {
			return nil, nil, err
		}
		out, err := contract.EncodeCommand(c)
		return c, out, err
	}
	e, err := contract.DecodeEvent(b)
	if err != nil {
		return nil, nil, err
	}
	out, err := contract.EncodeEvent(e)
	return e, out, err
}

// sameNumbers compares floats by their bits, so that -0 and NaN count.
var sameNumbers = cmp.Comparer(func(a, b contract.Number) bool {
	return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
})

func TestGoodMessagesRoundTrip(t *testing.T) {
	t.Parallel()
	for name, b := range golden(t, "good/*.json") {
		first, written, err := decode(name, b)
		require.NoError(t, err, name)
		second, again, err := decode(name, written)
		require.NoError(t, err, name)
		require.Empty(t, cmp.Diff(first, second, sameNumbers, cmpopts.EquateEmpty()), name)
		require.JSONEq(t, string(written), string(again), name)
		requireSubset(t, name, b, written)
	}
}

// requireSubset holds that nothing known was lost: each value that was written stands
// in the golden file, and each of the file's known ones was written.
func requireSubset(t *testing.T, name string, original, written []byte) {
	t.Helper()
	if strings.Contains(name, "unknown") {
		return
	}
	var a, b any
	require.NoError(t, json.Unmarshal(original, &a))
	require.NoError(t, json.Unmarshal(written, &b))
	require.Equal(t, a, b, name)
}

func TestExactNumbers(t *testing.T) {
	t.Parallel()
	e, err := contract.DecodeEvent(golden(t, "good/event_epoch_ended_exact_numbers.json")["event_epoch_ended_exact_numbers"])
	require.NoError(t, err)
	m := e.EpochEnded.Metrics
	require.Equal(t, math.Float64bits(math.Copysign(0, -1)), math.Float64bits(float64(m["negative_zero"])))
	require.Equal(t, math.Float64bits(math.SmallestNonzeroFloat64), math.Float64bits(float64(m["tiny"])))
	require.Equal(t, math.Float64bits(math.MaxFloat64), math.Float64bits(float64(m["huge"])))
}

func TestBadMessagesAreRefusedForTheirReason(t *testing.T) {
	t.Parallel()
	for name, b := range golden(t, "bad/*.json") {
		_, _, err := decode(name, b)
		var refused *contract.RefusedError
		require.ErrorAs(t, err, &refused, name)
		_, rest, _ := strings.Cut(name, "_")
		require.True(t, strings.HasPrefix(rest, string(refused.Reason)+"_") || rest == string(refused.Reason), "%s was refused as %v", name, err)
		require.NotEmpty(t, refused.Detail, name)
	}
}

func TestOversizedIsRefused(t *testing.T) {
	t.Parallel()
	b := golden(t, "good/event_heartbeat.json")["event_heartbeat"]
	b = append(b, bytes.Repeat([]byte(" "), contract.MaxMessageBytes)...)
	_, err := contract.DecodeEvent(b)
	var refused *contract.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, contract.ReasonTooLarge, refused.Reason)
}

func TestSchemasAgreeWithTheCodec(t *testing.T) {
	t.Parallel()
	compile := func(kind string) *jsonschema.Schema {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		s, err := c.Compile(filepath.Join("v1", kind+".schema.json"))
		require.NoError(t, err)
		return s
	}
	schemas := map[string]*jsonschema.Schema{"event": compile("event"), "command": compile("command")}
	check := func(name string, b []byte) error {
		kind, _, _ := strings.Cut(name, "_")
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		require.NoError(t, err, name)
		return schemas[kind].Validate(v)
	}
	for name, b := range golden(t, "good/*.json") {
		require.NoError(t, check(name, b), name)
		_, written, err := decode(name, b)
		require.NoError(t, err)
		require.NoError(t, check(name, written), name)
	}
	for name, b := range golden(t, "bad/*.json") {
		// 1e999 is a number to a schema, which has no floats.
		if !strings.Contains(name, "_malformed_") && !strings.Contains(name, "too_large") {
			require.Error(t, check(name, b), name)
		}
	}
}

func TestNumberRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := contract.Number(math.Float64frombits(rapid.Uint64().Draw(t, "bits")))
		b, err := json.Marshal(map[string]contract.Number{"x": want})
		require.NoError(t, err)
		var got map[string]contract.Number
		require.NoError(t, json.Unmarshal(b, &got))
		require.True(t, cmp.Equal(want, got["x"], sameNumbers), "%s became %s", want, got["x"])
	})
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	p, r, ok := contract.ParseSubject(contract.EventSubject("p-1", "r_2"))
	require.True(t, ok)
	require.Equal(t, []string{"p-1", "r_2"}, []string{p, r})
	for _, bad := range []string{"", "epochwatch.v1.a.b", "epochwatch.v2.a.b.event", "epochwatch.v1.*.b.event", "epochwatch.v1.a.b.other"} {
		_, _, ok := contract.ParseSubject(bad)
		require.False(t, ok, bad)
	}
}

func TestEncodeRefusesWhatNoReaderWouldTake(t *testing.T) {
	t.Parallel()
	_, err := contract.EncodeEvent(contract.Event{Version: 1, Type: contract.TypeHeartbeat, Project: "a b"})
	require.Error(t, err)
	_, err = contract.EncodeEvent(contract.Event{
		Version: 1, Type: contract.TypeRunStarted, Project: "p", Run: "r", Attempt: "a", Seq: 1, Time: time.Unix(1, 0),
		RunStarted: &contract.RunStarted{Name: strings.Repeat("x", contract.MaxMessageBytes)},
	})
	var refused *contract.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, contract.ReasonTooLarge, refused.Reason)
}

func FuzzDecode(f *testing.F) {
	for _, b := range golden(f, "*/*.json") {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []string{"event_", "command_"} {
			v, written, err := decode(kind, b)
			if err != nil {
				if _, ok := errors.AsType[*contract.RefusedError](err); !ok {
					t.Fatalf("%v is not a RefusedError", err)
				}
				continue
			}
			again, _, err := decode(kind, written)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(v, again, sameNumbers, cmpopts.EquateEmpty()))
		}
	})
}
