package activities_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// TestPrintedPoliciesAreEnoughForTheWork lets workers whose users have the printed policies, and nothing else, copy, verify,
// repair and prune, on a server that enforces them. What a policy lacks is told with the right that is missing.
func TestPrintedPoliciesAreEnoughForTheWork(t *testing.T) {
	server := storagetest.StartS3IAM(t)
	// as opens a location as a user with the policy that is printed for it.
	as := func(prefix string, purposes ...string) (storagetest.IAMUser, iamPolicy, storage.Store) {
		t.Helper()
		var policy iamPolicy
		printed := readPolicy(t, activities.Repository{Name: "repo", Native: "r", Location: "s3a://" + server.Bucket + "/" + prefix}, purposes...)
		if err := json.Unmarshal(printed.Document, &policy); err != nil {
			t.Fatal(err)
		}
		user := server.User(t, prefix+"-"+strings.Join(purposes, "-"), policy.text(t))
		return user, policy, openStore(t, user.Config(prefix))
	}
	owner, ownersCopy := openStore(t, server.Config("main")), openStore(t, server.Config("copy"))
	shape := testbed.MadePoint{Cluster: "prod", Native: "r", Snapshots: 2, Tablets: 3, Size: 100}
	first := shape.Write(t, owner)

	_, _, from := as("main", spec.PolicyMirror)
	copier, allowed, to := as("copy", spec.PolicyMirror)
	worker := func(repository, mirror storage.Store) *archive {
		a := &archive{bed: &bed{T: t, store: repository}, began: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
		a.acts = activities.New(nil, []*activities.Repository{{Name: "repo", Native: "r", Location: "s3a://" + server.Bucket + "/main", Store: repository}},
			&activities.Mirror{Name: "dr", Location: "s3a://" + server.Bucket + "/copy", Store: mirror})
		return a
	}

	t.Run("mirror", func(t *testing.T) {
		a := worker(from, to)
		a.in(t)
		copier.SetPolicy(t, allowed.lacking(t, [2]string{"s3:PutObject", "arn:aws:s3:::" + server.Bucket + "/copy/*"}))
		e := a.run(a.acts.PlanSnapshotCopy, activities.SnapshotCopyInput{Spec: toMirror, Label: restorepoint.Label("made", "run", 1, 1), Run: "run"})
		if e.err == nil || e.kind != spec.ErrorAuthDenied || !strings.Contains(e.err.Error(), "the credentials need s3:PutObject on arn:aws:s3:::"+server.Bucket+"/copy/*") {
			t.Errorf("without s3:PutObject: %v", e.err)
		}
		copier.SetPolicy(t, allowed.text(t))
		if out := a.copyAll(toMirror); len(out.Points) != 1 || out.Objects == 0 {
			t.Errorf("copied %+v", out)
		}
		if lacking := unrestorable(t, ownersCopy); len(lacking) > 0 {
			t.Errorf("the mirror lacks %q", lacking)
		}
	})
	t.Run("verify and repair", func(t *testing.T) {
		a := worker(from, to)
		a.in(t)
		lost := keysOf(t, ownersCopy, nativePrefix(restorepoint.Label("made", "run", 1, 1))+"__ss_content/")[0]
		if err := ownersCopy.Delete(t.Context(), lost); err != nil {
			t.Fatal(err)
		}
		if out, err := a.verify(spec.Verify{Where: "dr", Content: spec.ContentAll, RepairFrom: "repo"}); err != nil || out.Repaired != 1 {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("prune", func(t *testing.T) {
		shape.WriteLater(t, owner, first)
		pruner, allowed, store := as("main", spec.PolicyPrune)
		a := worker(store, to)
		a.in(t)
		in := spec.Prune{Cluster: "prod", Where: "repo", Policy: spec.Retention{KeepLast: 1}}
		pruner.SetPolicy(t, allowed.lacking(t, [2]string{"s3:DeleteObject", "arn:aws:s3:::" + server.Bucket + "/main/*"}))
		_, out := a.prunes(in, 8*oneDay)
		if len(out.Held) != 1 || out.Held[0].Name != first || out.Held[0].Locked || !strings.Contains(out.Held[0].Reason, "the credentials need s3:DeleteObject on arn:aws:s3:::"+server.Bucket+"/main/*") {
			t.Errorf("without s3:DeleteObject: held %+v", out.Held)
		}
		pruner.SetPolicy(t, allowed.text(t))
		gone := nativePrefix(restorepoint.Label("made", "run", 1, 1))
		for _, later := range []time.Duration{8 * oneDay, 10 * oneDay, 12 * oneDay, 14 * oneDay} {
			if _, out := a.prunes(in, later); len(out.Held) > 0 {
				t.Errorf("after %s: held %+v", later, out.Held)
			}
		}
		if left := keysOf(t, owner, gone); len(left) > 0 {
			t.Errorf("left %q", left)
		}
		if lacking := unrestorable(t, owner); len(lacking) > 0 || len(keysOf(t, owner, restorepoint.ManifestKey("prod", first))) > 0 {
			t.Errorf("points lack %q", lacking)
		}
	})
}
