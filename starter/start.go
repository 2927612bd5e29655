package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// runFlags are what the commands that start a run have in common.
type runFlags struct {
	name        string
	specFile    string
	detach      bool
	waitTimeout time.Duration
}

func (f *runFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "", "`NAME` of this run in its workflow id (default manual-<UTC time>)")
	flags.BoolVar(&f.detach, "detach", false, "start it, print its id and return")
	flags.DurationVar(&f.waitTimeout, "wait-timeout", 0, "stop waiting after this `long`, exit code 9; the run goes on (default: no limit)")
	cmd.MarkFlagsMutuallyExclusive("detach", "wait-timeout")
}

// addSpecFile lets the whole input come from a file instead of from the flags that describe it.
func (f *runFlags) addSpecFile(cmd *cobra.Command, workflow string, instead ...string) {
	cmd.Flags().StringVar(&f.specFile, "spec", "", "read the input of the workflow "+workflow+" as JSON from this `FILE` (- for stdin), instead of the flags that describe it")
	for _, flag := range instead {
		cmd.MarkFlagsMutuallyExclusive("spec", flag)
	}
}

// input is an input of one of our workflows.
type input interface{ Validate() error }

// load fills in with the file of --spec, if one was given, and checks it as the workflow will. Nothing is started with
// an input that the workflow would refuse, or that holds what looks like a secret.
func (c *cli) load(f runFlags, in input) error {
	text, err := c.specText(f.specFile, in)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, in); err != nil {
		return usagef("the spec is not JSON: %v", err)
	}
	err = in.Validate()
	switch {
	case err == nil:
		return nil
	case f.specFile == "":
		return usagef("%s", inFlags(err.Error()))
	}
	return usagef("%v", err)
}

var fieldWords = regexp.MustCompile(`field "(?:[A-Za-z]+\.)?([A-Za-z]+)"`)

// inFlags says what is wrong with an input in the words of the command line: field "onBusy" is --on-busy there.
func inFlags(problem string) string {
	return fieldWords.ReplaceAllStringFunc(problem, func(field string) string {
		name := fieldWords.FindStringSubmatch(field)[1]
		if name == "planDigest" {
			return "--plan"
		}
		var flag strings.Builder
		for _, letter := range name {
			if unicode.IsUpper(letter) {
				flag.WriteByte('-')
			}
			flag.WriteRune(unicode.ToLower(letter))
		}
		return "--" + flag.String()
	})
}

func (c *cli) specText(file string, in input) ([]byte, error) {
	switch file {
	case "":
		return json.Marshal(in)
	case "-":
		return io.ReadAll(c.in)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("the spec cannot be read: %v", err)
	}
	return text, nil
}

var runName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// checkedName is the run's name in its workflow id.
func (c *cli) checkedName(name string) (string, error) {
	if name == "" {
		return "manual-" + c.now().UTC().Format("20060102T150405Z"), nil
	}
	if !runName.MatchString(name) {
		return "", usagef("--name is %q; a name has 1 to 64 letters, digits, '_', '-' or '.', and no slash", name)
	}
	return name, nil
}

// run is a workflow to be started.
type run struct {
	workflow string
	id       string
	summary  string
	details  string
	timeout  time.Duration // 0: none
	input    any
}

// started names a run that goes on by itself.
type started struct {
	WorkflowID string `json:"workflowId"`
	RunID      string `json:"runId"`
}

// start starts a run; an open run of the same id is an error of exit code 6.
func (t *temporalServer) start(ctx context.Context, r run) (started, error) {
	handle, err := t.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       r.id,
		TaskQueue:                                spec.TaskQueue,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowExecutionTimeout:                 r.timeout,
		StaticSummary:                            r.summary,
		StaticDetails:                            r.details,
	}, r.workflow, r.input)
	var already *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &already) {
		hint := "  watch it:   starkeep job watch " + r.id
		if !strings.HasPrefix(r.id, "repo/") {
			hint += "\n  or start another with a different --name"
		}
		return started{}, withHint(codedError{exitBusy, fmt.Sprintf("%s is already running; nothing was started", r.id)}, hint)
	}
	if err != nil {
		return started{}, err
	}
	return started{WorkflowID: handle.GetID(), RunID: handle.GetRunID()}, nil
}

// printStarted tells a script what was started.
func (c *cli) printStarted(s started) error {
	c.comeBack(s.WorkflowID)
	return c.print(s, func(w io.Writer) { fmt.Fprintln(w, s.WorkflowID) })
}

// comeBack says how to meet a run again.
func (c *cli) comeBack(id string) {
	c.say("  come back:  starkeep job watch %s", id)
	c.say("  cancel it:  starkeep job cancel %s", id)
}

// selectionText sums up a selection for a summary line.
func selectionText(include, exclude []string) string {
	text := "everything"
	if len(include) > 0 {
		text = strings.Join(include, ", ")
	}
	if len(exclude) > 0 {
		text += " without " + strings.Join(exclude, ", ")
	}
	return text
}

// inputDetails shows a run's input in the web UI, as markdown.
func inputDetails(in any) string {
	text, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return ""
	}
	return "Started with the `starkeep` CLI:\n```json\n" + string(text) + "\n```"
}
