package main

import (
	"errors"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"starkeep/workflows/spec"
)

// Exit codes. Scripts rely on them: docs/cli.md is their contract.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUsage        = 2
	exitPartial      = 3 // something was left out, the rest is done
	exitMismatch     = 4 // what came back is not what was backed up
	exitNothing      = 5 // nothing to do
	exitBusy         = 6 // another job holds what is needed
	exitNoAccess     = 7
	exitVersion      = 8 // a server version starkeep does not support
	exitStillRunning = 9 // it goes on without this terminal
)

// exitByType maps the error types of failed runs. Types that are missing here are plain failures.
var exitByType = map[string]int{
	spec.ErrorInvalidSpec:        exitUsage,
	spec.ErrorPartialFailure:     exitPartial,
	spec.ErrorProofFailed:        exitMismatch,
	spec.ErrorChecksumMismatch:   exitMismatch,
	spec.ErrorNothingToDo:        exitNothing,
	spec.ErrorDatabaseBusy:       exitBusy,
	spec.ErrorAuthDenied:         exitNoAccess,
	spec.ErrorVersionUnsupported: exitVersion,

	spec.ErrorRepositoryMissing:  exitFailed,
	spec.ErrorSnapshotMissing:    exitFailed,
	spec.ErrorSchemaMismatch:     exitFailed,
	spec.ErrorPlanChanged:        exitFailed,
	spec.ErrorJobFailed:          exitFailed,
	spec.ErrorJobLost:            exitFailed,
	spec.ErrorCommitInterrupted:  exitFailed,
	spec.ErrorHandOver:           exitFailed,
	spec.ErrorThrottled:          exitFailed,
	spec.ErrorNotLeader:          exitFailed,
	spec.ErrorConnectionLost:     exitFailed,
	spec.ErrorStorageUnavailable: exitFailed,
}

// exitCode tells the exit code of a command that ended with err.
func exitCode(err error) int {
	var usage usageError
	var coded codedError
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	var denied *serviceerror.PermissionDenied
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &started):
		return exitBusy
	case errors.As(err, &denied), status.Code(err) == codes.Unauthenticated:
		return exitNoAccess
	}
	if cause := applicationError(err); cause != nil {
		if code, known := exitByType[cause.Type()]; known {
			return code
		}
	}
	return exitFailed
}
