package e2e_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// trainer stands for a training: it speaks the contract as the callback does, and publishes
// each event until it is acknowledged, whatever is killed meanwhile.
type trainer struct {
	t       *testing.T
	dir     string // of the daemon
	run     string
	attempt string
	seq     int64
	epoch   int
	// behind is how far its clock is behind ours.
	behind time.Duration
	// broker is an outside one's address; empty: that of the daemon.
	broker string
}

func newTrainer(t *testing.T, dir, run string) *trainer {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return &trainer{t: t, dir: dir, run: run, attempt: id.String()}
}

func (tr *trainer) publish(e contract.Event) {
	tr.t.Helper()
	tr.seq++
	e.Version, e.Project, e.Run, e.Attempt, e.Seq = contract.Version, "default", tr.run, tr.attempt, tr.seq
	e.Time = time.Now().UTC().Add(-tr.behind)
	data, err := contract.EncodeEvent(e)
	require.NoError(tr.t, err)
	until(tr.t, "an event is acknowledged", func() bool { return tr.send(data) == nil })
}

func (tr *trainer) send(data []byte) error {
	e, live, err := folder.ReadEndpoint(tr.dir)
	if tr.broker != "" {
		e, live, err = folder.Endpoint{NATS: tr.broker}, true, nil
	}
	if err != nil || !live || e.NATS == "" {
		return errors.Join(errors.New("no daemon is up"), err)
	}
	nc, err := nats.Connect(e.NATS, nats.Token(e.Token), nats.CustomInboxPrefix("_INBOX"), nats.NoReconnect())
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(tr.t.Context(), 2*time.Second)
	defer cancel()
	_, err = js.Publish(ctx, contract.EventSubject("default", tr.run), data,
		jetstream.WithMsgID(contract.MessageID(tr.run, tr.attempt, tr.seq)))
	return err
}

func (tr *trainer) started() {
	tr.t.Helper()
	tr.publish(contract.Event{Type: contract.TypeRunStarted, RunStarted: &contract.RunStarted{
		Name: tr.run, Control: contract.Control{Mode: contract.ModeOff},
	}})
}

// shows trains an epoch whose loss is well, with the metrics of twoRules.
func (tr *trainer) shows(heat, load float64) {
	tr.t.Helper()
	tr.publish(contract.Event{Type: contract.TypeEpochEnded, EpochEnded: &contract.EpochEnded{
		Epoch: tr.epoch, Metrics: map[string]contract.Number{
			"loss": contract.Number(1 / float64(tr.epoch+2)), "heat": contract.Number(heat), "load": contract.Number(load),
		},
	}})
	tr.epoch++
}
