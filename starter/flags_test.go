package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"starkeep/workflows/spec"
)

// recorder is a Temporal that notes what is started, and refuses it.
type recorder struct {
	client.Client
	options  client.StartWorkflowOptions
	workflow any
	input    any
}

var errRefused = errors.New("recorded")

func (r *recorder) ExecuteWorkflow(_ context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	r.options, r.workflow, r.input = options, workflow, args[0]
	return nil, errRefused
}

func (r *recorder) Close() {}

// testCLI runs in the test's process, without a terminal.
func testCLI(stdin string) (c *cli, out, errOut *strings.Builder) {
	out, errOut = &strings.Builder{}, &strings.Builder{}
	return &cli{
		in: bufio.NewReader(strings.NewReader(stdin)), out: out, err: errOut,
		width:   func() (int, int) { return 80, 24 },
		now:     func() time.Time { return time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC) },
		signals: interrupts,
		dial:    client.DialContext,
	}, out, errOut
}

func TestFlagsMakeTheInput(t *testing.T) {
	specFile := filepath.Join(t.TempDir(), "spec.json")
	if err := os.WriteFile(specFile, []byte(`{"cluster": "prod", "repository": "s3", "limits": {"unitDuration": "5m"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, args, stdin string
		id                string
		want              any
	}{
		{name: "least backup", args: "backup run --cluster prod --repository s3", id: "backup/prod/manual-20261122T150405Z",
			want: spec.Backup{Cluster: "prod", Repository: "s3"}},
		{name: "whole backup", id: "backup/prod/nightly",
			args: "backup run --cluster prod --repository s3 --include sales --include web.page_* --exclude *.tmp/a,b --tag by=me --tag why=a=b --on-busy fail --name nightly --unit-duration 90s --max-tablets-per-unit 10 --max-partitions-per-unit 11 --parallel-databases 2",
			want: spec.Backup{Cluster: "prod", Repository: "s3", Include: []string{"sales", "web.page_*"}, Exclude: []string{"*.tmp/a,b"},
				Tags: map[string]string{"by": "me", "why": "a=b"}, OnBusy: "fail",
				Limits: spec.Limits{UnitDuration: spec.Duration(90 * time.Second), MaxTabletsPerUnit: 10, MaxPartitionsPerUnit: 11, ParallelDatabases: 2}}},
		{name: "resume", args: "backup run --cluster prod --repository s3 --resume 20261122T150405Z-a1b2c3", id: "backup/prod/manual-20261122T150405Z",
			want: spec.Backup{Cluster: "prod", Repository: "s3", Resume: "20261122T150405Z-a1b2c3"}},
		{name: "backup from a file", args: "backup run --name x --spec " + specFile, id: "backup/prod/x",
			want: spec.Backup{Cluster: "prod", Repository: "s3", Limits: spec.Limits{UnitDuration: spec.Duration(5 * time.Minute)}}},
		{name: "backup from stdin", args: "backup run --name x --spec -", stdin: `{"cluster": "c", "repository": "r"}`, id: "backup/c/x",
			want: spec.Backup{Cluster: "c", Repository: "r"}},
		{name: "copy", id: "copy/prod/s3/dr",
			args: "backup copy --cluster prod --from s3 --to dr --point latest --limit 5MiB --parallel-batches 2",
			want: spec.Copy{Cluster: "prod", From: "s3", To: "dr", Point: "latest", Limits: spec.CopyLimits{BytesPerSecond: 5 << 20, ParallelBatches: 2}}},
		{name: "backup with mirrors", id: "backup/prod/manual-20261122T150405Z",
			args: "backup run --cluster prod --repository s3 --mirror dr --mirror nfs --mirror-wait 5m",
			want: spec.Backup{Cluster: "prod", Repository: "s3", Mirrors: []string{"dr", "nfs"}, MirrorWait: spec.Duration(5 * time.Minute)}},
		{name: "export", id: "export/prod/kept_1",
			args: "backup export latest --cluster prod --repository s3 --include sales --exclude *.tmp --rename sales.a=sales.b --label kept_1 --to dr",
			want: spec.Export{Cluster: "prod", Repository: "s3", Point: "latest", Include: []string{"sales"}, Exclude: []string{"*.tmp"},
				Rename: map[string]string{"sales.a": "sales.b"}, Label: "kept_1", To: "dr"}},
		{name: "prune", id: "prune/prod/s3",
			args: "backup prune --cluster prod --where s3 --keep-last 1 --hourly 2 --daily 3 --weekly 4 --monthly 5 --yearly 6 --min-age 12h --time-zone Europe/Berlin --force --grace 48h --debris-after 72h --plan 0123456789abcdef",
			want: spec.Prune{Cluster: "prod", Where: "s3", Policy: spec.Retention{KeepLast: 1, Hourly: 2, Daily: 3, Weekly: 4, Monthly: 5, Yearly: 6, MinAge: spec.Duration(12 * time.Hour), TimeZone: "Europe/Berlin"},
				Force: true, Grace: spec.Duration(48 * time.Hour), DebrisAfter: spec.Duration(72 * time.Hour), PlanDigest: "0123456789abcdef"}},
		{name: "prune by name looks first", id: "prune/prod/s3", args: "backup prune --cluster prod --where s3 --point 20261122T150405Z-a1b2c3",
			want: spec.Prune{Cluster: "prod", Where: "s3", Points: []string{"20261122T150405Z-a1b2c3"}, DryRun: true}},
		{name: "pin", id: "pin/prod/s3/latest", args: "backup pin latest --cluster prod --where s3 --reason audit --by ada",
			want: spec.Pin{Cluster: "prod", Where: "s3", Point: "latest", Reason: "audit", By: "ada"}},
		{name: "unpin", id: "pin/prod/s3/latest~2", args: "backup unpin latest~2 --cluster prod --where s3",
			want: spec.Pin{Cluster: "prod", Where: "s3", Point: "latest~2", Remove: true}},
		{name: "verify", id: "verify/prod/weekly",
			args: "backup verify --cluster prod --where dr --all --sample 1/7 --repair-from s3 --parallel 2 --name weekly",
			want: spec.Verify{Cluster: "prod", Where: "dr", Points: []string{"all"}, Sample: "1/7", RepairFrom: "s3", Parallel: 2}},
		{name: "verify a native snapshot", id: "verify/prod/manual-20261122T150405Z",
			args: "backup verify --cluster prod --where s3 --native by_hand --native-timestamp 2026-11-22-15-04-05-123 --content all",
			want: spec.Verify{Cluster: "prod", Where: "s3", Native: &spec.NativeSnapshot{Label: "by_hand", Timestamp: "2026-11-22-15-04-05-123"}, Content: "all"}},
		{name: "restore plan", args: "restore plan --cluster prod --repository s3 --include sales", id: "restore/prod/plan-20261122T150405Z",
			want: spec.Restore{Cluster: "prod", Repository: "s3", Include: []string{"sales"}, DryRun: true}},
		{name: "restore run plans first", id: "restore/prod/plan-r",
			args: "restore run --yes --name r --cluster prod --repository s3 --point latest --source-cluster old --include a --exclude a.b --rename a=z --rename c.d=c.e --on-existing rename --replication-num 1 --skip-grants --undo-window 24h --on-busy wait",
			want: spec.Restore{Cluster: "prod", Repository: "s3", Point: "latest", SourceCluster: "old", Include: []string{"a"}, Exclude: []string{"a.b"},
				Rename: map[string]string{"a": "z", "c.d": "c.e"}, OnExisting: "rename", ReplicationNum: 1, SkipGrants: true,
				UndoWindow: spec.Duration(24 * time.Hour), OnBusy: "wait", DryRun: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _, errOut := testCLI(test.stdin)
			asked := &recorder{}
			c.dial = func(context.Context, client.Options) (client.Client, error) { return asked, nil }
			if code := c.run(t.Context(), strings.Fields(test.args)); code != exitFailed || !strings.Contains(errOut.String(), "recorded") {
				t.Fatalf("exit code %d: %s", code, errOut)
			}
			unexported := cmpopts.IgnoreUnexported(spec.Backup{}, spec.Restore{}, spec.Export{}, spec.Copy{}, spec.Verify{}, spec.Prune{}, spec.Pin{})
			if diff := cmp.Diff(test.want, asked.input, unexported, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if asked.options.ID != test.id || asked.options.TaskQueue != spec.TaskQueue {
				t.Errorf("started as %s on %s, want %s", asked.options.ID, asked.options.TaskQueue, test.id)
			}
			if asked.options.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL || !asked.options.WorkflowExecutionErrorWhenAlreadyStarted {
				t.Error("a run of the same id would be joined silently")
			}
			if asked.options.StaticSummary == "" || asked.options.StaticDetails == "" {
				t.Error("the web UI would not say what it is")
			}
		})
	}
}

func TestWrongCommandLinesTouchNothing(t *testing.T) {
	for _, test := range []struct{ name, args, stdin, says string }{
		{"unknown command", "bakcup", "", `unknown command "bakcup"`},
		{"copy to itself", "backup copy --cluster a --from x --to x", "", `--to is "x", as is "from"; a copy goes from one store to another`},
		{"limit of a copy", "backup copy --cluster a --from x --to y --limit 5MB", "", "want a number of bytes, such as"},
		{"unknown verb", "backup make", "", `starkeep backup has no command "make"; it has adopt, copy, diff, export, list, pin, prune, run, show, unpin, usage, verify`},
		{"unknown flag", "backup run --force", "", "unknown flag: --force"},
		{"label that is a path", "backup export latest --cluster c --repository r --label a:b", "", "--label is \"a:b\"; give 1 to 64 letters, digits and _"},
		{"no label", "backup export latest --cluster c --repository r", "", "--label is \"\"; give 1 to 64"},
		{"label of ours", "backup export latest --cluster c --repository r --label SK_x", "", "labels that begin with sk_ are starkeep's own"},
		{"stray argument", "backup run prod", "", "did you mean --cluster prod?"},
		{"missing argument", "job cancel", "", "starkeep job cancel wants a workflow id"},
		{"format", "version -o xml", "", "-o is \"xml\"; it is one of table, json, yaml"},
		{"missing cluster", "backup run --repository s3", "", "--cluster is missing"},
		{"cluster with a slash", "backup run --repository s3 --cluster a/b", "", `--cluster is "a/b"; a name has`},
		{"name with a slash", "backup run --repository s3 --cluster a --name a/b", "", `--name is "a/b"`},
		{"negative limit", "backup run --repository s3 --cluster a --max-tablets-per-unit -1", "", "--max-tablets-per-unit is -1"},
		{"bare number as duration", "backup run --repository s3 --cluster a --unit-duration 10", "", "write it like 90s, 10m or 72h"},
		{"tag", "backup run --repository s3 --cluster a --tag x", "", `--tag is "x"; write it as key=value`},
		{"secret in a tag", "backup run --repository s3 --cluster a --tag key=AKIAIOSFODNN7EXAMPLE", "", "looks like a secret"},
		{"resume with a selection", "backup run --repository s3 --cluster a --resume p --include x", "", "--resume takes its selection from the point"},
		{"busy policy", "backup run --repository s3 --cluster a --on-busy retry", "", `--on-busy is "retry"; it is one of wait, fail`},
		{"sample", "backup verify --where s3 --cluster a --sample 2/7", "", `--sample is "2/7"; write a share like "1/7"`},
		{"sample and none", "backup verify --where s3 --cluster a --sample 1/7 --content none", "", `--sample is "1/7", but --content is "none"`},
		{"repair from itself", "backup verify --where s3 --cluster a --repair-from s3", "", "--repair-from is the store that is verified"},
		{"repair of a native snapshot", "backup verify --where s3 --cluster a --native x --repair-from dr", "", "--repair-from needs restore points"},
		{"prune without a policy", "backup prune --where s3 --cluster a", "", "say what stays, with --keep-last"},
		{"prune by name and policy", "backup prune --where s3 --cluster a --point p --daily 7", "", "--point names what goes: leave --keep-last"},
		{"prune of a wrong policy", "backup prune --where s3 --cluster a --daily -1", "", "--daily is -1"},
		{"migration to itself", "migrate run --from a --to a --repository s3", "", "--from and --to name the same cluster"},
		{"rename", "restore plan --repository s3 --cluster a --rename x", "", `--rename is "x"`},
		{"rename of a glob", "restore plan --repository s3 --cluster a --rename x*=y", "", "without globs"},
		{"plan digest", "restore run --repository s3 --cluster a --plan latest", "", `--plan is "latest"; give the digest`},
		{"unknown field of a spec", "backup run --spec -", `{"cluster": "a", "repository": "b", "databases": ["x"]}`, `field "databases" does not exist; the fields are`},
		{"spec that is no JSON", "backup run --spec -", `cluster: a`, "the spec is not JSON"},
		{"spec that is missing", "backup run --spec /nonexistent", "", "the spec cannot be read"},
		{"spec and flags", "backup run --spec - --cluster a", "{}", "none of the others can be"},
		{"detach and wait", "backup run --repository s3 --cluster a --detach --wait-timeout 1m", "", "none of the others can be"},
		{"nobody can answer", "restore run --repository s3 --cluster a", "", "nobody can answer here; give --yes"},
		{"nobody can answer finish", "restore finish restore/a/b", "", "nobody can answer here; give --yes"},
		{"undo of something else", "restore undo backup/a/b", "", "is not the id of a restore"},
		{"point without a repository", "backup show latest --cluster a", "", "--repository is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, out, errOut := testCLI(test.stdin)
			c.dial = func(context.Context, client.Options) (client.Client, error) {
				t.Error("Temporal was called")
				return nil, errRefused
			}
			if code := c.run(t.Context(), strings.Fields(test.args)); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			if !strings.Contains(errOut.String(), test.says) {
				t.Errorf("it says\n%swant\n%s", errOut, test.says)
			}
			if strings.Contains(errOut.String(), "AKIAIOSFODNN7EXAMPLE") {
				t.Error("the secret is repeated")
			}
			if out.Len() > 0 {
				t.Errorf("stdout has %q", out)
			}
		})
	}
}
