//go:build planted_ack_first

package ingest

import (
	"context"
	"time"
)

// planted acknowledges before the commit, which is the fault that the kill tests are there
// to find. It then waits for longer than the broker takes to have the acknowledgement on
// disk. No release is built with this tag.
func (w *worker) planted(ctx context.Context, batch []*arrival) {
	w.acknowledge(ctx, batch)
	sleep(ctx, 3*time.Second)
}
