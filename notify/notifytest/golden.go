package notifytest

import (
	"os"
	"path/filepath"
	"testing"
)

// Golden compares got with the file testdata/name, or writes it when update is set (the
// flag -update of the test).
func Golden(tb testing.TB, update bool, name string, got []byte) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("%v (run with -update to write it)", err)
	}
	if string(want) != string(got) {
		tb.Fatalf("%s differs (run with -update and look at the difference):\n--- got ---\n%s\n--- want ---\n%s", path, got, want)
	}
}
