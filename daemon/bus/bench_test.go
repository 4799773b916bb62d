package bus_test

import (
	"fmt"
	"testing"

	"github.com/epochwatch/epochwatch/daemon/bus"
)

// From nothing to a stream with consumers that takes events, on an empty folder.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		b.StartTimer()
		s, err := bus.Start(b.Context(), bus.Options{Listen: "127.0.0.1:0", Dir: dir, Token: token})
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		closeBus(b, s)
		b.StartTimer()
	}
}

// The same on the folder of an earlier daemon.
func BenchmarkRestart(b *testing.B) {
	o := bus.Options{Listen: "127.0.0.1:0", Dir: b.TempDir(), Token: token}
	for b.Loop() {
		s, err := bus.Start(b.Context(), o)
		b.StopTimer()
		if err != nil {
			b.Fatal(err)
		}
		closeBus(b, s)
		b.StartTimer()
	}
}

// One event of a kilobyte, written through to the disk before it is acknowledged.
func BenchmarkPublish(b *testing.B) {
	s := embed(b)
	p, err := bus.Dial(b.Context(), []string{s.URL()}, token, "")
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	data := make([]byte, 1024)
	for _, by := range []struct {
		name    string
		publish func(id string) error
	}{
		{"trainer", func(id string) error { return p.Publish(b.Context(), event, id, data) }},
		{"daemon", func(id string) error { return s.Publish(b.Context(), event, id, data) }},
	} {
		b.Run(by.name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				if err := by.publish(fmt.Sprintf("%s.%d.%d", by.name, b.N, n)); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}
