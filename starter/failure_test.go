package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"starkeep/workflows/spec"
)

func TestMessagesAreUnwrapped(t *testing.T) {
	denied := temporal.NewApplicationError("Access denied for user 'backup'@'%'; grant it REPOSITORY", spec.ErrorAuthDenied)
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"our error, once, with its type", denied, "Access denied for user 'backup'@'%'; grant it REPOSITORY (AuthDenied)"},
		{"under nameless layers", temporal.NewApplicationErrorWithCause("activity error (type: Plan): Access denied (type: AuthDenied, retryable: false)", "wrapError", denied),
			"Access denied for user 'backup'@'%'; grant it REPOSITORY (AuthDenied)"},
		{"a nameless error keeps its text and hides its type", temporal.NewApplicationError("limit must be positive, got 0", "errorString"), "limit must be positive, got 0"},
		{"a line only, and nothing a terminal obeys", temporal.NewApplicationError("one\ntwo \x1b[31mred", spec.ErrorJobFailed), "one two  [31mred (JobFailed)"},
		{"cancelled", fmt.Errorf("x: %w", temporal.NewCanceledError()), "cancelled"},
		{"namespace", serviceerror.NewNamespaceNotFound("prod"), `the Temporal namespace "prod" does not exist; choose one with --namespace or TEMPORAL_NAMESPACE`},
		{"access to Temporal", serviceerror.NewPermissionDenied("Request unauthorized.", ""), "Temporal refuses access: Request unauthorized.; check TEMPORAL_API_KEY or the client certificate"},
		{"late", context.DeadlineExceeded, "Temporal did not answer in time; what was started goes on, see starkeep job list"},
		{"late, by Temporal's word", serviceerror.NewDeadlineExceeded("context deadline exceeded"), "Temporal did not answer in time; what was started goes on, see starkeep job list"},
		{"gone", serviceerror.NewUnavailable("connection refused"), "Temporal does not answer: connection refused; what was started goes on when it does"},
		{"advice is not part of it", withHint(errors.New("disk full"), "make room"), "disk full"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := message(test.err); got != test.want {
				t.Errorf("message\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestResultOfAFailedRun(t *testing.T) {
	want := spec.BackupResult{Point: "p1", FailedCount: 2}
	partial := temporal.NewApplicationErrorWithOptions("2 parts failed", spec.ErrorPartialFailure, temporal.ApplicationErrorOptions{Details: []any{want}})
	var got spec.BackupResult
	if !details(fmt.Errorf("run: %w", partial), &got) || got.Point != "p1" || got.FailedCount != 2 {
		t.Errorf("details are %+v", got)
	}
	if details(temporal.NewApplicationError("no", spec.ErrorJobFailed), &got) {
		t.Error("an error without details has some")
	}
	if details(nil, &got) {
		t.Error("no error has details")
	}
}

func TestDialProblemKeepsTheReasonOnly(t *testing.T) {
	err := errors.New(`failed reaching server: connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`)
	if got := dialProblem(err); got != "dial tcp 127.0.0.1:1: connect: connection refused" {
		t.Error(got)
	}
	if got := dialProblem(errors.New("certificate has expired")); !strings.Contains(got, "expired") {
		t.Error(got)
	}
}
