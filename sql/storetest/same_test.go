package storetest

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

func TestSameSeesWhatDiffers(t *testing.T) {
	t.Parallel()
	epoch := func(change func(*store.Epoch)) []store.Epoch {
		e := store.Epoch{Seq: 1, EndedAt: start, Seconds: new(1.0), Metrics: map[string]float64{"a": math.NaN(), "b": 0}}
		change(&e)
		return []store.Epoch{e}
	}
	base := epoch(func(*store.Epoch) {})
	require.True(t, same(base, epoch(func(e *store.Epoch) { e.EndedAt = e.EndedAt.In(time.FixedZone("x", 3600)) })))
	for name, change := range map[string]func(*store.Epoch){
		"negative zero": func(e *store.Epoch) { e.Metrics["b"] = math.Copysign(0, -1) },
		"a number":      func(e *store.Epoch) { e.Metrics["a"] = 1 },
		"a key":         func(e *store.Epoch) { delete(e.Metrics, "b"); e.Metrics["c"] = 0 },
		"nothing":       func(e *store.Epoch) { e.Seconds = nil },
		"one bit":       func(e *store.Epoch) { e.Seconds = new(math.Nextafter(1, 2)) },
		"a moment":      func(e *store.Epoch) { e.EndedAt = e.EndedAt.Add(time.Microsecond) },
		"a number of":   func(e *store.Epoch) { e.Seq = 2 },
	} {
		require.False(t, same(base, epoch(change)), name)
	}
	require.False(t, same(base, base[:0]))
	require.False(t, same(1, "1"))
	require.False(t, same(nil, 1))
}
