package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func Benchmark(b *testing.B) {
	storetest.Benchmark(b, func(b *testing.B) store.Store {
		return open(b, filepath.Join(b.TempDir(), "store.db"), sqlite.Options{})
	})
}

// BenchmarkOpen measures what the start of a daemon waits for.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "store.db")
	for b.Loop() {
		s, err := sqlite.Open(b.Context(), path, sqlite.Options{})
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
