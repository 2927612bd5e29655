package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// pruning is a bed with a CLI that prunes one repository of it.
type pruning struct {
	*testbed.Bed
	cli   command
	where string
}

// prune runs the command and answers what it says; it must end with the exit code.
func (p pruning) prune(t *testing.T, code int, flags ...string) (out, said string) {
	t.Helper()
	args := append([]string{"backup", "prune", "--cluster", testbed.ClusterName, "--where", p.where}, flags...)
	o, s, got := p.cli.run(t, p.Bed, args...)
	if got != code {
		t.Fatalf("starkeep %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, o, s)
	}
	return string(o), string(s)
}

// pruned is the result as data.
func (p pruning) pruned(t *testing.T, flags ...string) (r spec.PruneResult) {
	t.Helper()
	out, said := p.prune(t, 0, append(flags, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v:\n%s%s", err, out, said)
	}
	return r
}

// points lists the restore points, the newest first.
func (p pruning) points(t *testing.T) (ids []string) {
	t.Helper()
	out, said, code := p.cli.run(t, p.Bed, "backup", "list", "--cluster", testbed.ClusterName, "--repository", p.where, "-o", "json")
	var list struct{ Points []spec.PointRow }
	if err := json.Unmarshal(out, &list); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s%s", code, err, out, said)
	}
	for _, row := range list.Points {
		ids = append(ids, row.ID)
	}
	return ids
}

// backUp makes two full restore points, the older one first.
func (p pruning) backUp(t *testing.T) (older, newer string) {
	t.Helper()
	var ids []string
	for range 2 {
		var out spec.BackupResult
		in := spec.Backup{Cluster: testbed.ClusterName, Repository: p.where, Include: []string{"sales"}}
		if err := execute(t, p.Bed, spec.BackupWorkflow, spec.BackupID(in.Cluster, unique()), in, &out); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, out.Point)
		awaitNextSecond(t)
	}
	return ids[0], ids[1]
}

// atOnce is a grace that is over when the next prune begins.
var atOnce = []string{"--keep-last", "1", "--grace", "1ms"}

// TestPruneOnTheCommandLine: what an operator sees of a prune, from the first look to the space that is free again, and
// what stays whatever they ask for. A store that keeps what is deleted is told as one.
func TestPruneOnTheCommandLine(t *testing.T) {
	t.Parallel()
	locked := storagetest.StartMinIO(t).Locked(t)
	b := testbed.Start(t, testbed.Options{Repositories: []testbed.Repository{testbed.NewRepository("locked", locked.Config("held"))}})
	b.StartWorker(t)
	sales(t, b)
	p := pruning{b, commandLine(t), testbed.RepositoryName}
	older, newer := p.backUp(t)
	objects := func() int { return len(depot{b, t}.keys(`__starrocks_repository_repo/__ss_sk_`)) }
	whole := objects()

	t.Run("where nobody can answer it only looks", func(t *testing.T) {
		out, said := p.prune(t, 0, atOnce...)
		for _, want := range []string{older, "goes", "the policy keeps newer ones", newer, "stays", "the last good point of its selection; last 1 of 1", "1 restore point would go, 1 stay.", "Plan "} {
			if !strings.Contains(out, want) {
				t.Errorf("the plan lacks %q:\n%s", want, out)
			}
		}
		if !strings.Contains(said, "Nothing was deleted. Do it:  --yes, or --plan ") || !slices.Equal(p.points(t), []string{newer, older}) {
			t.Errorf("%s", said)
		}
	})
	t.Run("a plan that was looked at is carried out, another one is not", func(t *testing.T) {
		plan := p.pruned(t, append(atOnce, "--dry-run")...)
		if !plan.DryRun || plan.Go != 1 || plan.Stay != 1 || plan.GoObjects == 0 {
			t.Errorf("%+v", plan)
		}
		p.prune(t, 1, append(atOnce, "--plan", "0123456789abcdef")...)
		if got := p.points(t); !slices.Equal(got, []string{newer, older}) {
			t.Errorf("points %q", got)
		}
		done := p.pruned(t, append(atOnce, "--plan", plan.PlanDigest)...)
		if done.Deleted != 1 || done.Marked != 1 || done.Snapshots != 0 || !slices.Equal(p.points(t), []string{newer}) || objects() != whole {
			t.Errorf("%+v; points %q", done, p.points(t))
		}
	})
	t.Run("space is free after the next one", func(t *testing.T) {
		done := p.pruned(t, append(atOnce, "--yes")...)
		if done.Snapshots != 1 || done.FreedBytes == 0 || done.FreedObjects != int64(whole-objects()) || objects() != whole/2 {
			t.Errorf("%+v; %d of %d objects are left", done, objects(), whole)
		}
		if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "a grace of 1ms") {
			t.Errorf("warnings %q", done.Warnings)
		}
		b.Must(t, "DROP DATABASE sales FORCE")
		if _, err := runRestore(t, b, spec.Restore{}); err != nil {
			t.Errorf("what stayed cannot be restored: %v", err)
		}
	})
	t.Run("a point that is not there is an error", func(t *testing.T) {
		if _, said := p.prune(t, 1, "--point", "latest", "--yes"); !strings.Contains(said, "starkeep: there is no restore point latest in repo") {
			t.Errorf("says\n%s", said)
		}
	})
	t.Run("the last good point goes by force alone", func(t *testing.T) {
		_, said := p.prune(t, 5, "--point", newer, "--yes")
		if want := "restore point " + newer + " stays: the last good point of its selection; --force lets it go"; !strings.Contains(said, want) {
			t.Errorf("says\n%s\nnot %q", said, want)
		}
		if out, said, code := p.cli.run(t, b, "backup", "pin", newer, "--cluster", testbed.ClusterName, "--where", p.where); code != 0 {
			t.Fatalf("pin: %d\n%s%s", code, out, said)
		}
		if _, said = p.prune(t, 5, "--point", newer, "--yes", "--force"); !strings.Contains(said, "stays: pinned; starkeep backup unpin takes that back") {
			t.Errorf("says\n%s", said)
		}
		if out, said, code := p.cli.run(t, b, "backup", "unpin", newer, "--cluster", testbed.ClusterName, "--where", p.where); code != 0 {
			t.Fatalf("unpin: %d\n%s%s", code, out, said)
		}
		if out, _ := p.prune(t, 0, "--point", newer, "--yes", "--force"); !strings.Contains(out, "although it is the last good one") || !strings.Contains(out, "1 restore point deleted, 0 stay.") {
			t.Errorf("says\n%s", out)
		}
		if got := p.points(t); len(got) > 0 {
			t.Errorf("points %q", got)
		}
	})
	t.Run("what an object lock keeps is not told as free", func(t *testing.T) {
		p := pruning{b, p.cli, "locked"}
		if err := b.CreateRepository(t, p.where); err != nil {
			t.Fatal(err)
		}
		_, newer := p.backUp(t)
		const objects = "held/__starrocks_repository_locked/__ss_sk_"
		kept := locked.Versions(t, objects)
		if first := p.pruned(t, append(atOnce, "--yes")...); first.Deleted != 1 || first.Marked != 1 {
			t.Errorf("%+v", first)
		}
		second := p.pruned(t, append(atOnce, "--yes")...)
		if second.Snapshots != 1 || second.FreedBytes != 0 || second.FreedObjects != 0 || second.HeldCount != 0 {
			t.Errorf("%+v", second)
		}
		if want := "the bucket of locked keeps older versions"; !strings.Contains(strings.Join(second.Warnings, "\n"), want) {
			t.Errorf("the warnings %q lack %q", second.Warnings, want)
		}
		if got := locked.Versions(t, objects); got != kept || kept == 0 || !slices.Equal(p.points(t), []string{newer}) {
			t.Errorf("%d versions are kept, were %d; points %q", got, kept, p.points(t))
		}
	})
}
