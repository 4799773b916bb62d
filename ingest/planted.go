//go:build !planted_ack_first

package ingest

import "context"

// planted is where a fault can be built in, so that the kill tests can be shown to find
// it: see planted_ack_first.go. In every other build it does nothing.
func (w *worker) planted(context.Context, []*arrival) {}
