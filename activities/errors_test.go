package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// TestKindsOfErrors is the table of design §9: what a failure is called, whether Temporal tries again, and when.
func TestKindsOfErrors(t *testing.T) {
	const backoff = time.Duration(0)
	fe := func(kind error) error {
		return fmt.Errorf("list tables: %w", &starrocks.Error{Op: "SHOW TABLES", Target: "d", Code: 1064, Text: "StarRocks' own words", Kind: kind})
	}
	store := func(kind error) error { return fmt.Errorf("get a/b: %w", kind) }
	for _, c := range []struct {
		err     error
		kind    string
		retried bool
		delay   time.Duration
	}{
		{fe(starrocks.ErrAuth), spec.ErrorAuthDenied, false, 0},
		{fe(starrocks.ErrDenied), spec.ErrorAuthDenied, false, 0},
		{fe(starrocks.ErrDatabaseBusy), spec.ErrorDatabaseBusy, true, 30 * time.Second},
		{fe(starrocks.ErrSubmissionBusy), spec.ErrorThrottled, true, 10 * time.Second},
		{fe(starrocks.ErrRepositoryMissing), spec.ErrorRepositoryMissing, false, 0},
		{fe(starrocks.ErrRepositoryReadOnly), spec.ErrorRepositoryMissing, false, 0},
		{fe(starrocks.ErrSnapshotMissing), spec.ErrorSnapshotMissing, false, 0},
		{fe(starrocks.ErrSnapshotDamaged), spec.ErrorChecksumMismatch, false, 0},
		{fe(starrocks.ErrUnknownDatabase), spec.ErrorInvalidSpec, false, 0},
		{fe(starrocks.ErrInvalidName), spec.ErrorInvalidSpec, false, 0},
		{fe(starrocks.ErrUnsupported), spec.ErrorVersionUnsupported, false, 0},
		{fe(starrocks.ErrNoLeader), spec.ErrorNotLeader, true, backoff},
		{fe(starrocks.ErrConnectionLost), spec.ErrorConnectionLost, true, backoff},
		{store(storage.ErrNoBucket), spec.ErrorRepositoryMissing, false, 0},
		{store(storage.ErrDenied), spec.ErrorAuthDenied, false, 0},
		{store(storage.ErrThrottled), spec.ErrorThrottled, true, 10 * time.Second},
		{store(storage.ErrUnavailable), spec.ErrorStorageUnavailable, true, backoff},
		{store(storage.ErrInvalid), spec.ErrorInvalidSpec, false, 0},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), spec.ErrorConnectionLost, true, backoff},
		{invalid("field %q: no", "cluster"), spec.ErrorInvalidSpec, false, 0},
		{fail(spec.ErrorHandOver, "this worker stops"), spec.ErrorHandOver, true, 50 * time.Millisecond},
		{fail(spec.ErrorSchemaMismatch, "differs"), spec.ErrorSchemaMismatch, false, 0},
		{fail(spec.ErrorJobLost, "gone"), spec.ErrorJobLost, false, 0},
		{fail(spec.ErrorNothingToDo, "nothing"), spec.ErrorNothingToDo, false, 0},
		{fmt.Errorf("unit 1: %w", jobFailed(UnitFailure{Reason: "disk is sick", Culprits: []int{3}}, "failed")), spec.ErrorJobFailed, false, 0},
	} {
		t.Run(c.kind+" "+c.err.Error(), func(t *testing.T) {
			var app *temporal.ApplicationError
			if !errors.As(failure(t.Context(), c.err), &app) {
				t.Fatalf("%v is no ApplicationError", failure(t.Context(), c.err))
			}
			if app.Type() != c.kind || app.NonRetryable() == c.retried || app.NextRetryDelay() != c.delay {
				t.Errorf("type %s, retried %t, delay %s; want %s, %t, %s", app.Type(), !app.NonRetryable(), app.NextRetryDelay(), c.kind, c.retried, c.delay)
			}
			if !strings.Contains(app.Message(), c.err.Error()) {
				t.Errorf("message %q lost words of %q", app.Message(), c.err)
			}
		})
	}
}

// TestUnknownErrorIsTriedAgain: what nobody thought of may pass by itself.
func TestUnknownErrorIsTriedAgain(t *testing.T) {
	err := errors.New("never seen before")
	if got := failure(t.Context(), err); got != err {
		t.Errorf("got %v", got)
	}
	if failure(t.Context(), nil) != nil {
		t.Error("no error became one")
	}
	if f := unknown(err, unknownAttempts-1); f != nil {
		t.Errorf("given up too early: %v", f)
	}
	if f := unknown(err, unknownAttempts); f == nil || f.Type != spec.ErrorJobFailed || !strings.Contains(f.Message, err.Error()) {
		t.Errorf("after %d attempts: %v, want JobFailed with the error's words", unknownAttempts, f)
	}
}

// TestUnitFailureTravels: the workflow reads what Await and Record learned.
func TestUnitFailureTravels(t *testing.T) {
	want := UnitFailure{Transient: true, Stop: true, Culprits: []int{1, 5}, Reason: "words", State: "UPLOADING"}
	got, ok := FailureOf(failure(t.Context(), fmt.Errorf("x: %w", jobFailed(want, "failed"))))
	if !ok || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, %t", got, ok)
	}
	if _, ok := FailureOf(failure(t.Context(), invalid("no"))); ok {
		t.Error("an InvalidSpec has no UnitFailure")
	}
}

// TestContextThatEnds: only a cancel request makes an activity cancelled; everything else is done again.
func TestContextThatEnds(t *testing.T) {
	for name, c := range map[string]struct {
		cause    error
		canceled bool
	}{
		"cancel request":   {temporal.NewCanceledError(), true},
		"pause":            {activity.ErrActivityPaused, false},
		"reset":            {activity.ErrActivityReset, false},
		"workflow is gone": {serviceerror.NewNotFound("workflow execution already completed"), false},
		"worker stops":     {worker.ErrWorkerShutdown, false},
		"server away":      {serviceerror.NewUnavailable("connection refused"), false},
		"plain":            {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(c.cause)
			err := failure(ctx, fmt.Errorf("list: %w", ctx.Err()))
			if got := temporal.IsCanceledError(err); got != c.canceled {
				t.Fatalf("%v: canceled %t, want %t", err, got, c.canceled)
			}
			var app *temporal.ApplicationError
			if !c.canceled && errors.As(err, &app) && app.NonRetryable() {
				t.Errorf("%v is not tried again", err)
			}
		})
	}
}
