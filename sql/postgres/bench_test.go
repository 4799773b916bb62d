package postgres_test

import (
	"testing"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/store"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

// The server of pgtest has fsync off: add the disk's own time for a real one.
func Benchmark(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Store { return open(b, pgtest.New(b)) })
}
