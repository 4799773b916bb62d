package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Metrics are what the daemon tells of its ingest.
type Metrics struct {
	events, stored, refused, commands *prometheus.CounterVec
	held, gaps, rebuilds              prometheus.Counter
	failures                          prometheus.Counter
	batch, latency                    prometheus.Histogram
}

// NewMetrics returns metrics registered with reg, which may be nil. It panics when they
// are registered already.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const space = "epochwatch_ingest_"
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: space + name, Help: help}, []string{label})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: space + name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: space + name, Help: help, Buckets: prometheus.ExponentialBuckets(0.0005, 2, 18), // 0.5 ms to 66 s
		})
	}
	m := &Metrics{
		events:   vec("events_total", "Events taken from the broker and acknowledged, repeats included.", "type"),
		stored:   vec("events_stored_total", "Events stored, each once.", "type"),
		refused:  vec("refused_total", "Messages put into quarantine.", "reason"),
		commands: vec("commands_sent_total", "Commands handed to runs, repeats included.", "kind"),
		held:     counter("held_total", "Events that came before one of their predecessors."),
		gaps:     counter("gaps_total", "Gaps in the sequence of an attempt that were given up."),
		rebuilds: counter("rebuilds_total", "Monitors rebuilt from stored epochs."),
		failures: counter("failures_total", "Transactions that failed and were tried again."),
		batch:    seconds("batch_seconds", "From a batch at hand to its commit, waiting for the database included."),
		latency:  seconds("publish_to_stored_seconds", "From the broker's storing of an event to its commit."),
	}
	if reg != nil {
		reg.MustRegister(m.events, m.stored, m.refused, m.commands, m.held, m.gaps, m.rebuilds, m.failures, m.batch, m.latency)
	}
	return m
}

// eventLabel keeps types that this version does not know from becoming labels.
func eventLabel(t contract.EventType) string {
	switch t {
	case contract.TypeRunStarted, contract.TypeEpochEnded, contract.TypeBatches,
		contract.TypeHeartbeat, contract.TypeCommandResult, contract.TypeRunEnded:
		return string(t)
	}
	return "other"
}
