package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starkeep/workflows/spec"
)

func TestExitCodes(t *testing.T) {
	application := func(kind string) error {
		return temporal.NewApplicationError("what happened", kind)
	}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, 0},
		{"anything else", errors.New("disk full"), 1},
		{"job failed", application(spec.ErrorJobFailed), 1},
		{"commit interrupted", application(spec.ErrorCommitInterrupted), 1},
		{"an unknown type", application("SomethingNew"), 1},
		{"wrong command line", usagef("no such flag"), 2},
		{"input refused by the workflow", application(spec.ErrorInvalidSpec), 2},
		{"partial", application(spec.ErrorPartialFailure), 3},
		{"proof failed", application(spec.ErrorProofFailed), 4},
		{"checksums differ", application(spec.ErrorChecksumMismatch), 4},
		{"nothing to do", application(spec.ErrorNothingToDo), 5},
		{"database busy", application(spec.ErrorDatabaseBusy), 6},
		{"already running", &serviceerror.WorkflowExecutionAlreadyStarted{}, 6},
		{"StarRocks or the store refuses", application(spec.ErrorAuthDenied), 7},
		{"Temporal refuses", serviceerror.NewPermissionDenied("no", ""), 7},
		{"Temporal does not know who asks", status.Error(codes.Unauthenticated, "who?"), 7},
		{"version", application(spec.ErrorVersionUnsupported), 8},
		{"still running", codedError{code: exitStillRunning}, 9},
		{"cancelled", temporal.NewCanceledError(), 1},
		{"with advice", withHint(application(spec.ErrorDatabaseBusy), "look"), 6},
		{"wrapped by a nameless error", temporal.NewApplicationErrorWithCause("planning", "wrapError", application(spec.ErrorAuthDenied)), 7},
		{"wrapped by Go", fmt.Errorf("running: %w", application(spec.ErrorNothingToDo)), 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("exit code %d, want %d", got, test.want)
			}
		})
	}
}

// Every error type of the contract has an exit code, so that a new one cannot be forgotten here.
func TestEveryErrorTypeHasAnExitCode(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../workflows/spec/names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		constant, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(constant.Names[0].Name, "Error") {
			return true
		}
		value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		types[value] = true
		if _, known := exitByType[value]; !known {
			t.Errorf("%s has no exit code", value)
		}
		return true
	})
	if len(types) < 15 {
		t.Fatalf("found only %d error types in workflows/spec/names.go", len(types))
	}
	for kind := range exitByType {
		if !types[kind] {
			t.Errorf("%s is no error type of workflows/spec", kind)
		}
	}
}
