package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// allowed is an IAM policy for actions below a prefix of the bucket.
func allowed(t *testing.T, bucket, prefix string, actions ...string) string {
	t.Helper()
	type statement struct {
		Effect           string
		Action, Resource []string
	}
	document := struct {
		Version   string
		Statement []statement
	}{Version: "2012-10-17"}
	for _, action := range actions {
		resource := "arn:aws:s3:::" + bucket
		if action != "s3:ListBucket" {
			resource += "/" + prefix + "/*"
		}
		document.Statement = append(document.Statement, statement{"Allow", []string{action}, []string{resource}})
	}
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyRight are the actions of a user who can do all that FE, BEs and worker do.
var everyRight = []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"}

func allBut(action string) []string {
	return slices.DeleteFunc(slices.Clone(everyRight), func(a string) bool { return a == action })
}

// checkCase is a repository whose two users may not do everything, and what a check of it says.
type checkCase struct {
	name              string
	starrocks, worker []string // actions; nil: all
	revoked           bool     // StarRocks' key is taken back after the repository was created
	want              string   // error type; "" for ok
	missing           []string // rows, as "side right"; "BE" stands for each of them
	fix               string   // part of the first missing row's fix
	tried             []string // rows that are ok nevertheless
}

var checkCases = []checkCase{
	{name: "all_rights", tried: []string{"worker list", "worker write", "worker read", "worker copy", "worker delete",
		"FE repository", "FE list", "FE scratch", "FE write", "FE delete", "FE read", "FE roundtrip", "BE write", "BE read"}},
	{name: "lists_only", starrocks: []string{"s3:ListBucket", "s3:GetObject"}, want: spec.ErrorAuthDenied, missing: []string{"BE write"},
		fix: "give StarRocks' user s3:PutObject on arn:aws:s3:::BUCKET/lists_only/*", tried: []string{"FE list", "FE scratch", "worker delete"}},
	{name: "no_delete", starrocks: allBut("s3:DeleteObject"), want: spec.ErrorAuthDenied, missing: []string{"FE delete"},
		fix: "give StarRocks' user s3:DeleteObject on arn:aws:s3:::BUCKET/no_delete/*", tried: []string{"FE list", "FE write", "BE write"}},
	{name: "revoked_key", revoked: true, want: spec.ErrorAuthDenied, missing: []string{"FE list"}, fix: "then starkeep repo drop revoked_key --cluster prod and starkeep repo create revoked_key",
		tried: []string{"FE repository", "worker write"}},
	{name: "no_read", starrocks: allBut("s3:GetObject"), want: spec.ErrorAuthDenied, missing: []string{"FE write"}, fix: "s3:GetObject", tried: []string{"BE write"}},
	{name: "worker_no_list", worker: allBut("s3:ListBucket"), want: spec.ErrorAuthDenied, missing: []string{"worker list"},
		fix: "give the worker's user s3:ListBucket on arn:aws:s3:::BUCKET"},
	{name: "worker_no_read", worker: allBut("s3:GetObject"), want: spec.ErrorAuthDenied, missing: []string{"worker read", "worker copy"},
		fix: "give the worker's user s3:GetObject on arn:aws:s3:::BUCKET/worker_no_read/*"},
	{name: "worker_no_write", worker: allBut("s3:PutObject"), want: spec.ErrorAuthDenied, missing: []string{"worker write"},
		fix: "give the worker's user s3:PutObject on arn:aws:s3:::BUCKET/worker_no_write/*", tried: []string{"worker list"}},
	{name: "worker_no_delete", worker: allBut("s3:DeleteObject"), want: spec.ErrorAuthDenied, missing: []string{"worker delete"},
		fix: "give the worker's user s3:DeleteObject on arn:aws:s3:::BUCKET/worker_no_delete/*", tried: []string{"worker write", "worker read", "worker copy"}},
}

// profile makes the case's two users and its repository profile.
func (c checkCase) profile(t *testing.T, server *storagetest.IAMServer) (testbed.Repository, storagetest.IAMUser) {
	all := func(actions []string) []string {
		if actions == nil {
			return everyRight
		}
		return actions
	}
	worker := server.User(t, "w-"+c.name, allowed(t, server.Bucket, c.name, all(c.worker)...))
	starrocks := server.User(t, "s-"+c.name, allowed(t, server.Bucket, c.name, all(c.starrocks)...))
	r := testbed.NewRepository(c.name, worker.Config(c.name))
	r.StarRocksKeys(starrocks.AccessKey, starrocks.SecretKey)
	r.Store = server.Config(c.name)
	return r, starrocks
}

// TestCheckFindsWhatIsMissing gives FE, BEs and worker fewer rights than they need, by policies that a server enforces.
func TestCheckFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	var repositories []testbed.Repository
	var users []storagetest.IAMUser
	for _, c := range checkCases {
		r, user := c.profile(t, server)
		repositories, users = append(repositories, r), append(users, user)
	}
	b := testbed.Start(t, testbed.Options{Repositories: repositories, Patience: 6})
	b.StartWorker(t)
	t.Run("case", func(t *testing.T) {
		for i, c := range checkCases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if err := b.CreateRepository(t, c.name); err != nil {
					t.Fatal(err)
				}
				if c.revoked {
					users[i].Deactivate(t)
				}
				c.run(t, b, repositories[i], server.Bucket)
			})
		}
	})
	if rows := databases(t, b); len(rows) > 0 {
		t.Errorf("scratch databases are left: %v", rows)
	}
}

func (c checkCase) run(t *testing.T, b *testbed.Bed, r testbed.Repository, bucket string) {
	out, err := check(t, b, spec.CheckRepository{Cluster: testbed.ClusterName, Repository: c.name, Scratch: true})
	if got := errorType(err); got != c.want {
		t.Errorf("ended as %q (%v), want %q\n%s", got, err, c.want, rowsText(out))
	}
	var missing []string
	for _, row := range out.Rights {
		if !row.OK && !row.NotTried {
			if name := row.Side + " " + row.Right; !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
			if row.Fix == "" || row.Message == "" {
				t.Errorf("%s %s says neither why nor what to do: %+v", row.Side, row.Right, row)
			}
		}
	}
	if !slices.Equal(missing, c.missing) {
		t.Errorf("missing: %q, want %q\n%s", missing, c.missing, rowsText(out))
	}
	if fix := strings.ReplaceAll(c.fix, "BUCKET", bucket); fix != "" && !slices.ContainsFunc(out.Rights, func(row spec.RightRow) bool { return strings.Contains(row.Fix, fix) }) {
		t.Errorf("no row tells %q\n%s", fix, rowsText(out))
	}
	for _, name := range c.tried {
		n := 0
		for _, row := range out.Rights {
			if row.Side+" "+row.Right != name {
				continue
			}
			n++
			if !row.OK {
				t.Errorf("%s is not ok: %+v", name, row)
			}
		}
		if want := map[bool]int{true: 3, false: 1}[strings.HasPrefix(name, "BE")]; n != want {
			t.Errorf("%s has %d rows, want %d", name, n, want)
		}
	}
	if !strings.HasPrefix(c.name, "worker_no_delete") {
		nothingLeft(t, r)
	}
}

// check runs a check; its result is also that of one that found something missing.
func check(t *testing.T, b *testbed.Bed, in spec.CheckRepository) (spec.CheckRepositoryResult, error) {
	t.Helper()
	var out spec.CheckRepositoryResult
	err := execute(t, b, spec.CheckRepositoryWorkflow, spec.RepositoryID(in.Cluster, in.Repository), in, &out)
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) && failed.HasDetails() {
		if err := failed.Details(&out); err != nil {
			t.Fatal(err)
		}
	}
	return out, err
}

func rowsText(out spec.CheckRepositoryResult) string {
	var lines []string
	for _, row := range out.Rights {
		lines = append(lines, fmt.Sprintf("%s %d %s ok=%t untried=%t %s %s → %s", row.Side, row.Backend, row.Right, row.OK, row.NotTried, row.Type, row.Message, row.Fix))
	}
	return strings.Join(lines, "\n")
}

// nothingLeft looks for objects of a check.
func nothingLeft(t *testing.T, r testbed.Repository) {
	t.Helper()
	store, err := storage.Open(t.Context(), r.Store)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for o, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(o.Key, "/__repo_info") {
			t.Errorf("left behind: %s", o.Key)
		}
	}
}

// databases lists those that checks have made.
func databases(t *testing.T, b *testbed.Bed) []string {
	t.Helper()
	rows, err := b.Sim.Query("SHOW DATABASES")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range rows {
		if strings.HasPrefix(row[0], restorepoint.ScratchPrefix) {
			names = append(names, row[0])
		}
	}
	return names
}

func TestCheckNamesTheBEThatDoesNotReachTheStore(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Patience: 6})
	b.StartWorker(t)
	in := spec.CheckRepository{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Scratch: true}
	b.Sim.BreakStore(1, errors.New("Fail to put object: curlCode: 7, Could not connect to server: connection refused"))
	out, err := check(t, b, in)
	if errorType(err) != spec.ErrorStorageUnavailable {
		t.Errorf("ended as %v", err)
	}
	var ok, broken []int64
	for _, row := range out.Rights {
		if row.Side != spec.SideBE || row.Right != spec.RightWrite {
			continue
		}
		if row.OK {
			ok = append(ok, row.Backend)
			continue
		}
		broken = append(broken, row.Backend)
		if !strings.Contains(row.Message, "Could not connect") || !strings.Contains(row.Fix, "endpoint") {
			t.Errorf("the row does not help: %+v", row)
		}
	}
	if len(ok) != 2 || len(broken) != 1 {
		t.Errorf("BEs that can write: %v, that cannot: %v\n%s", ok, broken, rowsText(out))
	}
	b.Sim.BreakStore(1, nil)
	if out, err = check(t, b, in); err != nil || !out.OK {
		t.Errorf("mended, and still: %v\n%s", err, rowsText(out))
	}
}

// TestCheckLeavesNothing interrupts a check in the middle of a BACKUP or RESTORE. What a cancelled one has made is gone at
// once; what one that was terminated has left, the next one removes.
func TestCheckLeavesNothing(t *testing.T) {
	t.Parallel()
	b := testbed.Start(t, testbed.Options{Patience: 20})
	b.StartWorker(t)
	in := spec.CheckRepository{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Scratch: true}
	database, id := restorepoint.ScratchDatabase(in.Cluster, in.Repository), spec.RepositoryID(in.Cluster, in.Repository)
	for _, at := range []struct{ kind, state string }{{"BACKUP", "UPLOADING"}, {"BACKUP", "UPLOAD_INFO"}, {"RESTORE", "DOWNLOADING"}} {
		t.Run(at.state, func(t *testing.T) {
			interrupt := func(end func(run client.WorkflowRun) error) client.WorkflowRun {
				release := b.Sim.HoldStates(database, at.state)
				defer release()
				run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: spec.TaskQueue}, spec.CheckRepositoryWorkflow, in)
				if err != nil {
					t.Fatal(err)
				}
				eventually(t, at.kind+" in "+at.state, func() bool {
					rows, err := b.Sim.Query("SHOW " + at.kind + " FROM " + database)
					return err == nil && len(rows) == 1 && slices.Contains(rows[0], at.state)
				})
				if err := end(run); err != nil {
					t.Fatal(err)
				}
				return run
			}
			run := interrupt(func(run client.WorkflowRun) error {
				return b.Client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID())
			})
			var cancelled *temporal.CanceledError
			if err := run.Get(t.Context(), nil); !errors.As(err, &cancelled) {
				t.Errorf("the cancelled check ended with %v", err)
			}
			gone(t, b, database)

			interrupt(func(run client.WorkflowRun) error {
				return b.Client.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "test")
			})
			if len(databases(t, b)) == 0 {
				t.Error("the terminated check has left no database: the test shows nothing")
			}
			if out, err := check(t, b, in); err != nil || !out.OK {
				t.Errorf("the check after one that died: %v\n%s", err, rowsText(out))
			}
			gone(t, b, database)
		})
	}
}

// gone looks for anything of the bed's own repository's check.
func gone(t *testing.T, b *testbed.Bed, database string) {
	t.Helper()
	if left := databases(t, b); len(left) > 0 {
		t.Errorf("databases left: %v", left)
	}
	for o, err := range b.Store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.Key, database) {
			t.Errorf("left behind: %s", o.Key)
		}
	}
}
