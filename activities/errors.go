package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// Failure says what an error means to a workflow: its type (a spec.Error… name) and whether trying again can help.
type Failure struct {
	Type    string
	Message string
	Details any
	Cause   error
	Final   bool // not tried again although its type is
}

func (f *Failure) Error() string { return f.Message }

// Unwrap makes the cause visible to errors.Is.
func (f *Failure) Unwrap() error { return f.Cause }

// UnitFailure is the detail of a JobFailed: what Await or Record learned about why a unit failed.
type UnitFailure struct {
	Transient bool   `json:"transient,omitempty"` // the same unit may well succeed under a new label
	Stop      bool   `json:"stop,omitempty"`      // somebody wants the database left alone: no further unit
	Culprits  []int  `json:"culprits,omitempty"`  // indexes of the plan's parts that made it fail
	Reason    string `json:"reason"`              // in StarRocks' own words
	State     string `json:"state,omitempty"`     // the FE's state when it failed

	// Interrupted says that the RESTORE was broken off in COMMITTING over existing data, or may have been: the same RESTORE
	// is to be run to its end at once.
	Interrupted *spec.InterruptedCommit `json:"interrupted,omitempty"`

	Backends []BackendTrouble `json:"backends,omitempty"` // a scratch unit's: the BEs that kept it from going on
}

func fail(kind, format string, args ...any) *Failure {
	return &Failure{Type: kind, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *Failure {
	return fail(spec.ErrorInvalidSpec, format, args...)
}

// maxReason bounds a reason: it travels through histories, once for each unit that failed.
const maxReason = 2000

func shortened(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + " …"
}

func jobFailed(u UnitFailure, format string, args ...any) *Failure {
	u.Reason = shortened(u.Reason)
	f := fail(spec.ErrorJobFailed, format, args...)
	f.Details = u
	return f
}

// retryDelay says which failures are tried again, and when: zero means the activity's own backoff.
var retryDelay = map[string]time.Duration{
	spec.ErrorDatabaseBusy:       30 * time.Second,
	spec.ErrorHandOver:           50 * time.Millisecond,
	spec.ErrorThrottled:          10 * time.Second,
	spec.ErrorNotLeader:          0,
	spec.ErrorConnectionLost:     0,
	spec.ErrorStorageUnavailable: 0,
}

// kinds orders the sentinels of starrocks and storage under failure types. The first match counts.
var kinds = []struct {
	is   error
	kind string
	next string // what the operator can do
}{
	{starrocks.ErrAuth, spec.ErrorAuthDenied, "check user and password of the cluster profile"},
	{starrocks.ErrDenied, spec.ErrorAuthDenied, "grant the privilege that StarRocks names to the profile's user"},
	{starrocks.ErrDatabaseBusy, spec.ErrorDatabaseBusy, ""},
	{starrocks.ErrSubmissionBusy, spec.ErrorThrottled, ""},
	{starrocks.ErrRepositoryMissing, spec.ErrorRepositoryMissing, "create the repository in StarRocks, or correct the profile's nativeName"},
	{starrocks.ErrRepositoryReadOnly, spec.ErrorRepositoryMissing, "back up into a repository that was not created READ ONLY"},
	{starrocks.ErrSnapshotMissing, spec.ErrorSnapshotMissing, ""},
	{starrocks.ErrSnapshotDamaged, spec.ErrorChecksumMismatch, ""},
	{starrocks.ErrUnknownDatabase, spec.ErrorInvalidSpec, ""},
	{starrocks.ErrInvalidName, spec.ErrorInvalidSpec, ""},
	{starrocks.ErrUnsupported, spec.ErrorVersionUnsupported, ""},
	{starrocks.ErrNoLeader, spec.ErrorNotLeader, ""},
	{starrocks.ErrConnectionLost, spec.ErrorConnectionLost, ""},
	{storage.ErrNoBucket, spec.ErrorRepositoryMissing, "create the bucket or directory, or correct the profile's location"},
	{storage.ErrDenied, spec.ErrorAuthDenied, "give the worker's credentials the right on the repository's location"},
	{storage.ErrThrottled, spec.ErrorThrottled, ""},
	{storage.ErrUnavailable, spec.ErrorStorageUnavailable, ""},
	{storage.ErrInvalid, spec.ErrorInvalidSpec, ""},
	{storage.ErrNotFound, spec.ErrorSnapshotMissing, "choose another restore point, or bring the object back"},
	{storage.ErrChanged, spec.ErrorStorageUnavailable, ""},
	{restorepoint.ErrFormat, spec.ErrorChecksumMismatch, "choose another restore point, or bring the file back as it was"},
	{restorepoint.ErrDigest, spec.ErrorChecksumMismatch, "choose another restore point, or bring the file back as it was"},
}

// unknownAttempts is how often an activity is tried whose error nobody knows: about a quarter of an hour.
const unknownAttempts = 20

// failure turns an activity's error into what Temporal records: a typed ApplicationError, retried or not. It is the
// only maker of ApplicationErrors, and every activity returns through it.
func failure(ctx context.Context, err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		if err = interrupted(ctx); err == nil {
			return temporal.NewCanceledError()
		}
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = classify(err)
	}
	if f == nil {
		f = unknown(err, attempt(ctx))
	}
	if f == nil {
		return err
	}
	delay, retry := retryDelay[f.Type]
	options := temporal.ApplicationErrorOptions{NonRetryable: !retry || f.Final, NextRetryDelay: delay}
	if f.Type == spec.ErrorHandOver || f.Type == spec.ErrorThrottled || f.Type == spec.ErrorDatabaseBusy {
		options.Category = temporal.ApplicationErrorCategoryBenign
	}
	if f.Details != nil {
		options.Details = []any{f.Details}
	}
	message := err.Error()
	if f.Cause != nil {
		message = f.Message
	}
	return temporal.NewApplicationErrorWithOptions(shortened(message), f.Type, options)
}

// unknown ends the retries of an error that nobody knows: it may pass by itself, but not for days.
func unknown(err error, attempt int32) *Failure {
	if attempt < unknownAttempts {
		return nil
	}
	return fail(spec.ErrorJobFailed, "%v (tried %d times)", err, attempt)
}

// attempt is how often this activity was started.
func attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

// interrupted is nil when the activity was asked to cancel. A context that ended for another reason (paused, reset, a
// workflow that is gone) is no reason to undo anything: the activity is done again, or nobody is there any more.
func interrupted(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, activity.ErrActivityPaused) || errors.Is(cause, activity.ErrActivityReset) {
		return fail(spec.ErrorHandOver, "interrupted (%v); what runs in StarRocks goes on", cause)
	}
	if temporal.IsCanceledError(cause) { // what the SDK makes of a cancel request; a worker's end has another cause
		return nil
	}
	return fmt.Errorf("interrupted (%w); what runs in StarRocks goes on", cause)
}

// classify finds the type of an error that has none yet; nil leaves it to Temporal's plain retry.
func classify(err error) *Failure {
	for _, k := range kinds {
		if !errors.Is(err, k.is) {
			continue
		}
		message := err.Error()
		if advice := storeAdvice(err); advice != "" {
			message += "; " + advice
		} else if k.next != "" && !storage.Advised(err) {
			message += "; " + k.next
		}
		return &Failure{Type: k.kind, Message: message, Cause: err}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &Failure{Type: spec.ErrorConnectionLost, Message: err.Error(), Cause: err}
	}
	return nil
}

func names[V any](m map[string]V) string {
	if len(m) == 0 {
		return "none"
	}
	return strings.Join(sortedNames(m), ", ")
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Error makes the error with which a workflow ends: of one of spec's types, never retried by itself. details may be nil.
func Error(kind string, details any, format string, args ...any) error {
	f := fail(kind, format, args...)
	f.Details = details
	options := temporal.ApplicationErrorOptions{NonRetryable: true}
	if details != nil {
		options.Details = []any{details}
	}
	return temporal.NewApplicationErrorWithOptions(f.Message, kind, options)
}

// TypeOf finds the type and the message of an error that an activity or child workflow ended with; "" for others.
func TypeOf(err error) (kind, message string) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return "", err.Error()
	}
	return app.Type(), app.Message()
}

// FailureOf reads the UnitFailure out of a JobFailed.
func FailureOf(err error) (UnitFailure, bool) {
	var app *temporal.ApplicationError
	var f UnitFailure
	if !errors.As(err, &app) || app.Type() != spec.ErrorJobFailed || app.Details(&f) != nil {
		return UnitFailure{}, false
	}
	return f, true
}
