package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"starkeep/workflows/spec"
)

// rig is a real Temporal server, a worker with fake workflows, and the built binary.
type rig struct {
	address string
	binary  string
	client  client.Client
}

// emptyNamespace is one that no worker serves.
const emptyNamespace = "empty"

func newRig(t *testing.T) *rig {
	t.Helper()
	temporalPath := os.Getenv("STARKEEP_TEMPORAL")
	if temporalPath == "" {
		temporalPath = filepath.Join("..", "bin", "temporal")
	}
	if _, err := os.Stat(temporalPath); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no Temporal server at %s: run make tools", temporalPath)
		}
		t.Skipf("no Temporal server at %s: run make tools", temporalPath)
	}
	r := &rig{binary: filepath.Join("..", "bin", "starkeep")}
	// As `make build` does: what is up to date there is not built again.
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", r.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	server, err := testsuite.StartDevServer(t.Context(), testsuite.DevServerOptions{
		ExistingPath: temporalPath, LogLevel: "error", ExtraArgs: []string{"--namespace", emptyNamespace, "--search-attribute", spec.AttributeCluster + "=Keyword"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	r.address, r.client = server.FrontendHostPort(), server.Client()
	fakeWorker(t, r.address)
	return r
}

// outcome is what a command line did.
type outcome struct {
	code        int
	out, errOut string
}

// commandLimit ends a binary that hangs, long before the test's own limit.
const commandLimit = time.Minute

func (r *rig) command(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, r.binary, append([]string{"--address", r.address}, args...)...)
	cmd.Env = append(os.Environ(), "TEMPORAL_CONFIG_FILE="+os.DevNull, "TEMPORAL_NAMESPACE=default")
	return cmd
}

// starkeep runs the binary to its end.
func (r *rig) starkeep(t *testing.T, line string) outcome {
	t.Helper()
	cmd := r.command(t, strings.Fields(line)...)
	return finish(t, cmd, start(t, cmd))
}

type streams struct{ out, err bytes.Buffer }

func start(t *testing.T, cmd *exec.Cmd) *streams {
	t.Helper()
	s := &streams{}
	cmd.Stdout, cmd.Stderr = &s.out, &s.err
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func finish(t *testing.T, cmd *exec.Cmd, s *streams) outcome {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), s.out.String(), s.err.String()}
}

// want checks a code, and texts that stdout and stderr must have.
func (o outcome) want(t *testing.T, code int, out, errOut string) {
	t.Helper()
	if o.code != code || !strings.Contains(o.out, out) || !strings.Contains(o.errOut, errOut) {
		t.Errorf("exit code %d, want %d; stdout, wanted with %q:\n%s\nstderr, wanted with %q:\n%s", o.code, code, out, o.out, errOut, o.errOut)
	}
}

func (r *rig) release(t *testing.T, id string) {
	t.Helper()
	if err := r.client.SignalWorkflow(t.Context(), id, "", "release", nil); err != nil {
		t.Error(err)
	}
}

func (r *rig) isRunning(t *testing.T, id string) bool {
	t.Helper()
	found, err := r.client.DescribeWorkflow(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	return found.WorkflowCloseTime == nil
}

const backupProd = "backup run --cluster prod --repository s3-eu "

func TestAgainstTemporal(t *testing.T) {
	r := newRig(t)
	for name, test := range map[string]func(*testing.T, *rig){
		"run shows its result":                    resultIsShown,
		"output is data":                          outputIsData,
		"partial":                                 partialHasItsResult,
		"nested errors":                           nestedErrorsAreUnwrapped,
		"refused before anything is started":      refusedInputStartsNothing,
		"busy":                                    runningIsBusy,
		"wait timeout":                            waitTimeout,
		"detach, watch, pause, cancel":            detachedLife,
		"Ctrl-C detaches":                         interruptDetaches,
		"second Ctrl-C asks to cancel":            secondInterruptAsks,
		"Ctrl-C while asked means no":             interruptedQuestionMeansNo,
		"progress elsewhere is a line":            plainProgress,
		"restore plans, then restores that point": restorePlansFirst,
		"restore refused by its plan":             refusedPlanIsNotRun,
		"restore that is not proven":              unprovenRestore,
		"restore asks":                            restoreAsks,
		"undo and finish":                         undoAndFinish,
		"reads":                                   reads,
		"repositories":                            repositories,
		"no worker":                               noWorker,
		"no such run":                             noSuchRun,
		"schedules":                               schedules,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, r)
		})
	}
}

func resultIsShown(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name shown")
	got.want(t, exitOK, "Restore point "+point+", complete.", "")
	got.want(t, exitOK, "web           1           1           4       12  1.0 GiB   19s", "")
	r.starkeep(t, "job watch backup/prod/shown").want(t, exitOK, "Restore point "+point+", complete.", "")
}

func outputIsData(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name json -o json")
	var result spec.BackupResult
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Point != point || result.Bytes != gib {
		t.Errorf("stdout is not the result (%v):\n%s", err, got.out)
	}
	if strings.Contains(got.out, "null") {
		t.Errorf("empty lists are left out or [], not null:\n%s", got.out)
	}
	r.starkeep(t, backupProd+"--name yaml -o yaml").want(t, exitOK, "complete: true\n", "")
}

func partialHasItsResult(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name partial -o json --tag play="+playPartial)
	got.want(t, exitPartial, "", "starkeep: 212 of 336 partitions could not be backed up (PartialFailure)\n  complete it:  starkeep backup run --cluster prod --repository s3-eu --resume "+point)
	want, err := os.ReadFile("testdata/backup-partial-json.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got.out != string(want) {
		t.Errorf("stdout is not the result:\n%s", got.out)
	}
	r.starkeep(t, "job watch backup/prod/partial").want(t, exitPartial, "PARTIAL: it lacks what failed", "--resume "+point)
}

func nestedErrorsAreUnwrapped(t *testing.T, r *rig) {
	got := r.starkeep(t, "backup run --cluster nested --repository s3-eu --tag play="+playNested)
	got.want(t, exitNoAccess, "", "starkeep: Access denied for user 'backup'@'%' (AuthDenied)\n")
	if strings.Count(got.errOut, "AuthDenied") != 1 || strings.Contains(got.errOut, "workflow execution error") {
		t.Errorf("Temporal's layers show:\n%s", got.errOut)
	}
}

func refusedInputStartsNothing(t *testing.T, r *rig) {
	r.starkeep(t, "backup run --cluster refused/x --repository s3-eu --name no").want(t, exitUsage, "", `--cluster is "refused/x"`)
	found, err := r.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId STARTS_WITH 'backup/refused'"})
	if err != nil || len(found.GetExecutions()) > 0 {
		t.Errorf("%d workflows were started (%v)", len(found.GetExecutions()), err)
	}
}

func runningIsBusy(t *testing.T, r *rig) {
	r.starkeep(t, backupProd+"--name busy --detach --tag play="+playHold).want(t, exitOK, "backup/prod/busy\n", "")
	r.starkeep(t, backupProd+"--name busy").want(t, exitBusy, "", "backup/prod/busy is already running; nothing was started\n  watch it:   starkeep job watch backup/prod/busy")
	r.release(t, "backup/prod/busy")
}

func waitTimeout(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name late --wait-timeout 1s --tag play="+playHold)
	got.want(t, exitStillRunning, "", "backup/prod/late is still running after 1s; it goes on by itself.\n  come back:  starkeep job watch backup/prod/late")
	if got.out != "" || !r.isRunning(t, "backup/prod/late") {
		t.Errorf("stdout is %q", got.out)
	}
	r.release(t, "backup/prod/late")
}

func detachedLife(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name life -o json --detach --tag play="+playHold)
	var begun started
	if err := json.Unmarshal([]byte(got.out), &begun); err != nil || begun.WorkflowID != "backup/prod/life" || begun.RunID == "" {
		t.Fatalf("stdout is %s (%v)", got.out, err)
	}
	id := begun.WorkflowID
	r.starkeep(t, "job resume "+id).want(t, exitFailed, "", "starkeep: it is not paused")
	r.starkeep(t, "job pause "+id+" --reason upgrade").want(t, exitOK, "backup/prod/life is paused. 1 BACKUP goes on (upgrade)", "")
	r.starkeep(t, "job resume "+id).want(t, exitOK, "backup/prod/life goes on.", "")
	r.starkeep(t, "job cancel "+id).want(t, exitOK, "", "What is committing is finished")
	r.starkeep(t, "job watch "+id).want(t, exitFailed, "", "starkeep: cancelled\n")
	r.starkeep(t, "job cancel "+id).want(t, exitNothing, "", "there is nothing to cancel")
	r.starkeep(t, "job pause "+id).want(t, exitNothing, "", "is not running")
}

func interruptDetaches(t *testing.T, r *rig) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		id := "backup/prod/ctrl-" + signal.String()[:1]
		cmd := r.command(t, strings.Fields(backupProd+"--tag play="+playHold+" --name "+strings.TrimPrefix(id, "backup/prod/"))...)
		s := start(t, cmd)
		r.untilQueried(t, id)
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		got := finish(t, cmd, s)
		got.want(t, exitStillRunning, "", "Detached: "+id+" goes on by itself.\n  come back:  starkeep job watch "+id+"\n  cancel it:  starkeep job cancel "+id)
		if !r.isRunning(t, id) {
			t.Error("it ended with the terminal")
		}
		r.release(t, id)
	}
}

// untilQueried waits until a run answers, so that whoever started it is watching it.
func (r *rig) untilQueried(t *testing.T, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := r.client.QueryWorkflow(ctx, id, "", spec.QueryProgress); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(id + " does not answer")
		case <-tick.C:
		}
	}
}

// atTerminal runs in this process as if a person sat there: signals are sent by hand, the answer is typed ahead.
func (r *rig) atTerminal(t *testing.T, name string, typed io.Reader, signals int) (code int, errOut string) {
	t.Helper()
	c, _, said := testCLI("")
	c.in = bufio.NewReader(typed)
	c.canAsk = true
	arrive := make(chan os.Signal, signals)
	for range signals {
		arrive <- os.Interrupt
	}
	c.signals = func() (<-chan os.Signal, func()) { return arrive, func() {} }
	code = c.run(t.Context(), strings.Fields("--address "+r.address+" "+backupProd+"--name "+name+" --tag play="+playHold))
	return code, said.String()
}

func secondInterruptAsks(t *testing.T, r *rig) {
	code, said := r.atTerminal(t, "yes", strings.NewReader("y\n"), 2)
	if code != exitFailed || !strings.Contains(said, "Cancel backup/prod/yes? [y/N]") || !strings.Contains(said, "Cancel requested; waiting for the end") || !strings.HasSuffix(said, "starkeep: cancelled\n") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	code, said = r.atTerminal(t, "no", strings.NewReader("n\n"), 2)
	if code != exitStillRunning || !strings.Contains(said, "Not cancelled") || !r.isRunning(t, "backup/prod/no") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	r.release(t, "backup/prod/no")
}

func interruptedQuestionMeansNo(t *testing.T, r *rig) {
	silence, end := io.Pipe()
	t.Cleanup(func() { _ = end.Close() })
	code, said := r.atTerminal(t, "third", silence, 3)
	if code != exitStillRunning || !strings.Contains(said, "Not cancelled") || !r.isRunning(t, "backup/prod/third") {
		t.Errorf("exit code %d\n%s", code, said)
	}
	r.release(t, "backup/prod/third")
}

func plainProgress(t *testing.T, r *rig) {
	got := r.starkeep(t, backupProd+"--name plain --wait-timeout 6s --tag play="+playHold)
	if !strings.Contains(got.errOut, "Z backup/prod/plain · upload · 0 of 1 database done · ") || !strings.Contains(got.errOut, "; sales, upload, 3/8 units, 3.0/8.0 GiB\n") {
		t.Errorf("stderr\n%s", got.errOut)
	}
	r.release(t, "backup/prod/plain")
}

func restorePlansFirst(t *testing.T, r *rig) {
	got := r.starkeep(t, "restore run --yes --cluster prod --repository s3-eu --name r -o json")
	got.want(t, exitOK, "", "sales.customers  create")
	got.want(t, exitOK, "", "put them back:  starkeep restore undo restore/prod/r\n")
	var result spec.RestoreResult
	if err := json.Unmarshal([]byte(got.out), &result); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, got.out)
	}
	if !strings.Contains(result.Warnings[0], `"point":"`+point+`"`) || strings.Contains(result.Warnings[0], "dryRun") {
		t.Errorf("restored with %s, want the point of the plan", result.Warnings[0])
	}
	if !strings.Contains(result.Warnings[0], `"planDigest":"`+plannedRestore.PlanDigest+`"`) {
		t.Errorf("restored with %s, want the digest of the plan that was shown", result.Warnings[0])
	}
	const confirmed = "fedcba98-89abcdef-01234567-89abcdef-01234567"
	got = r.starkeep(t, "restore run --cluster prod --repository s3-eu --name confirmed --plan "+confirmed+" -o json") // nobody can answer, and nobody is asked
	got.want(t, exitOK, `\"planDigest\":\"`+confirmed, "sales.customers  create")
	r.starkeep(t, "job watch restore/prod/r").want(t, exitOK, "Restored from "+point, "")
}

func refusedPlanIsNotRun(t *testing.T, r *rig) {
	got := r.starkeep(t, "restore run --yes --cluster prod --repository s3-eu --name refused --point refused")
	got.want(t, exitFailed, "", "starkeep: 1 table is refused, see the notes; nothing was changed\n")
	if _, err := r.client.DescribeWorkflow(t.Context(), "restore/prod/refused", ""); err == nil {
		t.Error("it was started")
	}
	r.starkeep(t, "restore plan --cluster prod --repository s3-eu --point refused").want(t, exitFailed, "sales.lines      refuse", "1 table is refused")
	r.starkeep(t, "restore plan --cluster plans --repository s3-eu").want(t, exitOK, "1 create, 1 swap", "")
}

func unprovenRestore(t *testing.T, r *rig) {
	got := r.starkeep(t, "restore run --yes --cluster prod --repository s3-eu --name unproven --skip-grants")
	got.want(t, exitMismatch, "NOT PROVEN", "starkeep: sales.orders has 2 rows less than the restore point (ProofFailed)\n")
}

func restoreAsks(t *testing.T, r *rig) {
	c, out, said := testCLI("no\n")
	c.canAsk = true
	code := c.run(t.Context(), strings.Fields("--address "+r.address+" restore run --cluster prod --repository s3-eu --name asked"))
	if code != exitFailed || !strings.Contains(said.String(), "Restore this into prod? [y/N]") || !strings.Contains(said.String(), "nothing was changed") || out.Len() > 0 {
		t.Errorf("exit code %d\n%s", code, said)
	}
	if _, err := r.client.DescribeWorkflow(t.Context(), "restore/prod/asked", ""); err == nil {
		t.Error("it was started")
	}
}

func undoAndFinish(t *testing.T, r *rig) {
	for _, name := range []string{"undone", "finished"} {
		r.starkeep(t, "restore run --yes --cluster prod --repository s3-eu --name "+name).want(t, exitOK, "", "")
	}
	got := r.starkeep(t, "restore undo restore/prod/undone")
	got.want(t, exitPartial, "sales.orders  swapped back", "1 table was left alone")
	r.starkeep(t, "restore undo restore/prod/undone").want(t, exitFailed, "", "undo/prod/undone is not open")
	r.starkeep(t, "restore finish undo/prod/finished --yes").want(t, exitPartial, "sales.orders  dropped", "sales.orders__before_1a2b3c4d  sales.orders")
	r.starkeep(t, "job cancel undo/prod/finished").want(t, exitUsage, "", "restore finish")
}

func reads(t *testing.T, r *rig) {
	r.starkeep(t, "backup list --cluster prod --repository s3-eu").want(t, exitOK, "page3", "")
	limited := r.starkeep(t, "backup list --cluster prod --repository s3-eu --limit 3 -o json")
	limited.want(t, exitOK, `"id": "page2"`, "--limit 0 lists all")
	if n := strings.Count(limited.out, `"id"`); n != 3 {
		t.Errorf("%d points listed, want 3", n)
	}
	r.starkeep(t, "backup show "+point+" --cluster prod --repository s3-eu").want(t, exitOK, "State       complete", "")
	r.starkeep(t, "backup show nope --cluster prod --repository s3-eu").want(t, exitFailed, "", "there is no restore point nope (SnapshotMissing)\n  see what there is:  starkeep backup list --cluster prod --repository s3-eu")
	r.starkeep(t, "backup diff latest~1 "+point+" --cluster prod --repository s3-eu").want(t, exitOK, "To      "+point+", complete", "")
	r.starkeep(t, "backup diff latest --cluster prod --repository s3-eu").want(t, exitUsage, "", "wants two restore points")
	r.starkeep(t, "backup usage --cluster prod --repository s3-eu").want(t, exitOK, "Points    3", "")
	r.starkeep(t, "repo list --cluster prod").want(t, exitOK, "s3://backups/prod", "")
	r.starkeep(t, "repo show s3_eu --cluster prod -o yaml").want(t, exitOK, "profile: s3-eu\n", "")
	r.starkeep(t, "repo show nope --cluster prod").want(t, exitFailed, "", `prod has no repository "nope"; it has: s3-eu`)
	r.starkeep(t, "config check").want(t, exitFailed, "repositories.s3-eu  write    FAILED  AccessDenied", "1 of 2 checks failed")
	r.starkeep(t, "job list --cluster prod").want(t, exitOK, "sales     BACKUP     UPLOADING  10234", "")
	r.starkeep(t, "version").want(t, exitOK, "starkeep ", "")
}

func noWorker(t *testing.T, r *rig) {
	const says = "starkeep: no worker answers on task queue starkeep (Temporal at "
	t.Run("started", func(t *testing.T) {
		for _, read := range []string{"backup list --cluster prod --repository s3-eu", "restore plan --cluster prod --repository s3-eu"} {
			t.Run(read, func(t *testing.T) {
				t.Parallel()
				r.starkeep(t, "--namespace empty "+read).want(t, exitFailed, "", says)
			})
		}
		t.Run("backup run waits for one", func(t *testing.T) {
			t.Parallel()
			got := r.starkeep(t, "--namespace empty "+backupProd+"--name waits --wait-timeout 10s")
			got.want(t, exitStillRunning, "", "no worker answers on task queue starkeep: it goes on when one does")
		})
	})
	r.starkeep(t, "--namespace empty job list --cluster prod").want(t, exitFailed, "backup/prod/waits", says)
}

func noSuchRun(t *testing.T, r *rig) {
	r.starkeep(t, "job watch backup/prod/never").want(t, exitFailed, "", `no run has the id "backup/prod/never"`)
	r.starkeep(t, "restore undo restore/prod/never").want(t, exitFailed, "", "undo/prod/never is not open")
	r.starkeep(t, "--namespace nowhere job list").want(t, exitFailed, "", `the Temporal namespace "nowhere" does not exist`)
	r.starkeep(t, "--address 127.0.0.1:1 job list").want(t, exitFailed, "", "no Temporal server answers at 127.0.0.1:1")
}
