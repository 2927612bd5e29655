package run

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// TestMetricsAreServedUnderStockNames: counters end in _total, timers are histograms in seconds, and one name with
// different tags is one metric.
func TestMetricsAreServedUnderStockNames(t *testing.T) {
	m := newMetrics()
	h := m.handler()
	h.WithTags(map[string]string{"namespace": "default", "activity_type": "Await"}).Counter("temporal_activity_execution_failed").Inc(2)
	h.WithTags(map[string]string{"namespace": "default"}).Counter("temporal_activity_execution_failed").Inc(1)
	h.WithTags(map[string]string{"a-tag-nobody-knows": "x"}).Gauge("temporal_worker_task_slots_available").Update(7)
	h.Timer("temporal_request_latency").Record(1500 * time.Millisecond)

	answer := httptest.NewRecorder()
	m.http().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	text := answer.Body.String()
	for _, want := range []string{
		`temporal_activity_execution_failed_total{activity_type="Await",`, `temporal_worker_task_slots_available{`, `temporal_request_latency_seconds_sum{`, "} 1.5\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "temporal_activity_execution_failed_total{"); n != 2 {
		t.Errorf("%d series of the counter, want 2", n)
	}
}

func TestLogsKeepTheirFields(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	newLogger(zap.New(core)).(logger).With("cluster", "prod").Warn("slow", "seconds", 3)
	all := logs.All()
	if len(all) != 1 || all[0].Message != "slow" || all[0].Level != zapcore.WarnLevel {
		t.Fatalf("logged %+v", all)
	}
	fields := all[0].ContextMap()
	if fields["cluster"] != "prod" || fields["seconds"] != int64(3) {
		t.Errorf("fields %v", fields)
	}
}
