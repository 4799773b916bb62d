package notify

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what became of messages. A nil *Metrics counts nothing.
type Metrics struct {
	messages *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// The results of a try.
const (
	resultSent      = "sent"
	resultFailed    = "failed"    // will be tried again
	resultDead      = "dead"      // given up
	resultPostponed = "postponed" // the channel rests; not counted as a try
)

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "epochwatch_messages_total",
			Help: "Tries to hand a message to a channel, by what came of them.",
		}, []string{"channel", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "epochwatch_message_delivery_seconds",
			Help:    "How long a channel took to take or refuse a message.",
			Buckets: []float64{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"channel"}),
	}
	reg.MustRegister(m.messages, m.seconds)
	return m
}

func (m *Metrics) count(channel, result string) {
	if m != nil {
		m.messages.WithLabelValues(channel, result).Inc()
	}
}

func (m *Metrics) observe(channel string, d time.Duration) {
	if m != nil {
		m.seconds.WithLabelValues(channel).Observe(d.Seconds())
	}
}
