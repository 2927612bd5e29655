package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// usageError is a mistake in the command line or in what it asks for: nothing was started.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// codedError ends the command with a given exit code. An empty text means that all was said already.
type codedError struct {
	code int
	text string
}

func (e codedError) Error() string { return e.text }

// hinted is an error with what to do next.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// withHint adds advice to an error; nil stays nil, and an error that has advice keeps its own.
func withHint(err error, hint string) error {
	var already hinted
	if err == nil || hint == "" || errors.As(err, &already) {
		return err
	}
	return hinted{err, hint}
}

// report prints why a command failed: once, without the layers that Temporal puts around it.
func (c *cli) report(err error) {
	if err == nil {
		return
	}
	if text := message(err); text != "" {
		c.say("starkeep: %s", text)
	}
	var advice hinted
	if errors.As(err, &advice) {
		c.say("%s", advice.hint)
	}
}

// message is the text of err for people: that of the run's own error with its type, or what a Temporal error means.
func message(err error) string {
	var usage usageError
	var coded codedError
	if errors.As(err, &usage) {
		return oneLine(usage.text)
	}
	if errors.As(err, &coded) {
		return coded.text
	}
	if cause := applicationError(err); cause != nil {
		if _, known := exitByType[cause.Type()]; known {
			return fmt.Sprintf("%s (%s)", oneLine(cause.Message()), cause.Type())
		}
		return oneLine(cause.Message())
	}
	if text := temporalMessage(err); text != "" {
		return text
	}
	return oneLine(err.Error())
}

// applicationError finds the run's own error: the outermost one of a type that starkeep uses, else the outermost one.
// (A workflow that wraps an activity's error with %w gives it a nameless outer type.)
func applicationError(err error) *temporal.ApplicationError {
	var first *temporal.ApplicationError
	for rest := err; rest != nil; {
		var found *temporal.ApplicationError
		if !errors.As(rest, &found) {
			break
		}
		if _, known := exitByType[found.Type()]; known {
			return found
		}
		if first == nil {
			first = found
		}
		rest = found.Unwrap()
	}
	return first
}

// temporalMessage says what an error of Temporal itself means, and what to do.
func temporalMessage(err error) string {
	var cancelled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	var timeout *temporal.TimeoutError
	var notFound *serviceerror.NotFound
	var namespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	var late *serviceerror.DeadlineExceeded
	var unavailable *serviceerror.Unavailable
	switch {
	case errors.As(err, &terminated):
		return "terminated: its FE job was left alone and may still be running; look with starkeep job list --cluster NAME"
	case errors.As(err, &timeout):
		return "Temporal gave up waiting: " + oneLine(timeout.Message())
	case errors.As(err, &cancelled):
		return "cancelled"
	case errors.As(err, &namespace):
		return fmt.Sprintf("the Temporal namespace %q does not exist; choose one with --namespace or TEMPORAL_NAMESPACE", namespace.Namespace)
	case errors.As(err, &denied):
		return "Temporal refuses access: " + oneLine(denied.Message) + "; check TEMPORAL_API_KEY or the client certificate"
	case errors.As(err, &notFound):
		return "Temporal does not know it: " + oneLine(notFound.Message)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &late):
		return "Temporal did not answer in time; what was started goes on, see starkeep job list"
	case errors.As(err, &unavailable):
		return "Temporal does not answer: " + dialProblem(unavailable) + "; what was started goes on when it does"
	}
	return ""
}

// details decodes the result that a failed run carries, and tells whether it has one.
func details(err error, into any) bool {
	if cause := applicationError(err); cause != nil && cause.HasDetails() {
		return cause.Details(into) == nil
	}
	var cancelled *temporal.CanceledError
	if errors.As(err, &cancelled) && cancelled.HasDetails() {
		return cancelled.Details(into) == nil
	}
	return false
}

// oneLine makes text safe for a terminal: StarRocks' words and table names are other people's input.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) {
			return ' '
		}
		return r
	}, text)
	return strings.TrimSpace(clean)
}

// say writes a line to stderr.
func (c *cli) say(format string, args ...any) {
	fmt.Fprintf(c.err, format+"\n", args...)
}
