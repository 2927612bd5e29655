package run

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
)

// logger makes zap speak Temporal's interface.
type logger struct{ z *zap.SugaredLogger }

func newLogger(z *zap.Logger) log.Logger {
	return logger{z.WithOptions(zap.AddCallerSkip(1)).Sugar()}
}

func (l logger) Debug(msg string, keyvals ...any) { l.z.Debugw(msg, keyvals...) }
func (l logger) Info(msg string, keyvals ...any)  { l.z.Infow(msg, keyvals...) }
func (l logger) Warn(msg string, keyvals ...any)  { l.z.Warnw(msg, keyvals...) }
func (l logger) Error(msg string, keyvals ...any) { l.z.Errorw(msg, keyvals...) }
func (l logger) With(keyvals ...any) log.Logger   { return logger{l.z.With(keyvals...)} }
func (l logger) WithCallerSkip(skip int) log.Logger {
	return logger{l.z.WithOptions(zap.AddCallerSkip(skip))}
}

// metrics gives the SDK's metrics to Prometheus under the names that stock dashboards know: counters end in _total,
// timers are histograms in seconds.
type metrics struct {
	registry *prometheus.Registry

	mu       sync.Mutex
	counters map[string]*prometheus.CounterVec
	gauges   map[string]*prometheus.GaugeVec
	timers   map[string]*prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		registry: prometheus.NewRegistry(), counters: map[string]*prometheus.CounterVec{},
		gauges: map[string]*prometheus.GaugeVec{}, timers: map[string]*prometheus.HistogramVec{},
	}
}

func (m *metrics) http() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) handler() client.MetricsHandler { return tagged{m, nil} }

// tagged is the metrics with a set of tags.
type tagged struct {
	m    *metrics
	tags map[string]string
}

func (t tagged) WithTags(tags map[string]string) client.MetricsHandler {
	all := make(map[string]string, len(t.tags)+len(tags))
	for k, v := range t.tags {
		all[k] = v
	}
	for k, v := range tags {
		all[k] = v
	}
	return tagged{t.m, all}
}

// labelNames are the tags that the SDK sets on one metric or another. Prometheus wants the same labels on every series of
// a name, so each series has all of them, empty where they do not apply; other tags are dropped.
var labelNames = []string{"namespace", "task_queue", "worker_type", "workflow_type", "activity_type", "operation", "failure_reason", "status_code", "poller_type", "client_name"}

func (t tagged) labels() prometheus.Labels {
	values := prometheus.Labels{}
	for _, name := range labelNames {
		values[name] = t.tags[name]
	}
	return values
}

// vector finds or registers a metric.
func vector[V prometheus.Collector](m *metrics, known map[string]V, name string, make func() V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := known[name]; ok {
		return v
	}
	v := make()
	m.registry.MustRegister(v)
	known[name] = v
	return v
}

func (t tagged) Counter(name string) client.MetricsCounter {
	if !strings.HasSuffix(name, "_total") {
		name += "_total"
	}
	v := vector(t.m, t.m.counters, name, func() *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name}, labelNames)
	}).With(t.labels())
	return counter{v}
}

func (t tagged) Gauge(name string) client.MetricsGauge {
	v := vector(t.m, t.m.gauges, name, func() *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name}, labelNames)
	}).With(t.labels())
	return gauge{v}
}

func (t tagged) Timer(name string) client.MetricsTimer {
	if !strings.HasSuffix(name, "_seconds") {
		name += "_seconds"
	}
	v := vector(t.m, t.m.timers, name, func() *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name}, labelNames)
	}).With(t.labels())
	return timer{v}
}

type counter struct{ prometheus.Counter }

func (c counter) Inc(n int64) { c.Add(float64(n)) }

type gauge struct{ prometheus.Gauge }

func (g gauge) Update(v float64) { g.Set(v) }

type timer struct{ prometheus.Observer }

func (t timer) Record(d time.Duration) { t.Observe(d.Seconds()) }
