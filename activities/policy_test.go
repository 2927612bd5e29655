package activities_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/workflows/spec"
)

// iamPolicy is what the tests read of a policy.
type iamPolicy struct {
	Version   string
	Statement []struct {
		Sid, Effect      string
		Action, Resource []string
	}
}

func (p iamPolicy) text(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pairs lists the single grants: action and resource.
func (p iamPolicy) pairs() [][2]string {
	var list [][2]string
	for _, s := range p.Statement {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				list = append(list, [2]string{action, resource})
			}
		}
	}
	return list
}

// lacking is the policy without one grant.
func (p iamPolicy) lacking(t *testing.T, pair [2]string) string {
	var less iamPolicy
	less.Version = p.Version
	for _, other := range p.pairs() {
		if other == pair {
			continue
		}
		s := p.Statement[0]
		s.Sid, s.Action, s.Resource = "", []string{other[0]}, []string{other[1]}
		less.Statement = append(less.Statement, s)
	}
	return less.text(t)
}

// readPolicy asks as the CLI does.
func readPolicy(t *testing.T, r activities.Repository, purposes ...string) spec.Policy {
	t.Helper()
	acts := activities.New(nil, []*activities.Repository{&r})
	var out spec.InspectResult
	(&bed{T: t, acts: acts}).must(&out, acts.Inspect, spec.Inspect{Read: spec.ReadPolicy, Repository: r.Name, For: purposes})
	if out.Policy == nil {
		t.Fatal("no policy")
	}
	return *out.Policy
}

// operation is something that a purpose does with the store; it is tried with objects that are there already.
type operation struct {
	name string
	do   func(ctx context.Context, s storage.Store) error
}

const (
	policyNative = "__starrocks_repository_repo/__ss_sk_d_u1_a1/"
	policyOwn    = restorepoint.Root + "prod/"
	policyInfo   = policyNative + "__info_2026-11-22-16-48-56-487.d41d8cd98f00b204e9800998ecf8427e"
	policyBeside = "__starrocks_repository_repo/__ss_sk_beside_d_u1_a1/__meta.d41d8cd98f00b204e9800998ecf8427e"

	policyComposed = "__starrocks_repository_repo/__ss_sk_composed_d_u1/__ss_content/f"
)

func writes(key string) operation {
	return operation{"write " + key, func(ctx context.Context, s storage.Store) error {
		return storage.WriteAll(ctx, s, key, []byte("x"), storage.Overwrite)
	}}
}

func copies(from, to string) operation {
	return operation{"copy to " + to, func(ctx context.Context, s storage.Store) error { return s.Copy(ctx, from, to) }}
}

func reads(key string) operation {
	return operation{"read " + key, func(ctx context.Context, s storage.Store) error {
		_, err := storage.ReadAll(ctx, s, key, 100)
		return err
	}}
}

func deletes(key string) operation {
	return operation{"delete " + key, func(ctx context.Context, s storage.Store) error { return s.Delete(ctx, key) }}
}

func lists(prefix string) operation {
	return operation{"list " + prefix, func(ctx context.Context, s storage.Store) error {
		for _, err := range s.List(ctx, prefix) {
			return err
		}
		return nil
	}}
}

// absent reads what is not there: an answer that is not "not found" would be taken for an error.
func absent(key string) operation {
	return operation{"miss " + key, func(ctx context.Context, s storage.Store) error {
		if _, err := storage.ReadAll(ctx, s, key, 100); !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return nil
	}}
}

// aborts breaks an upload off in its second part; whether the parts are gone is seen from outside.
func aborts(key string) operation {
	return operation{"abort " + key, func(ctx context.Context, s storage.Store) error {
		const size = 40 << 20
		body := io.MultiReader(bytes.NewReader(make([]byte, size/2)), failingReader{})
		if err := s.Put(ctx, key, body, size, storage.Overwrite); err == nil {
			return errors.New("a body that fails was stored")
		}
		return nil
	}}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("broken off") }

// operations are what each purpose does.
var operations = map[string][]operation{
	spec.PolicyBackup: {lists(policyNative), lists(policyOwn), reads(policyInfo), reads(policyOwn + "x"), absent(policyOwn + "none"),
		writes(policyOwn + "plans/p/d.json.zst"), aborts(policyOwn + "snapshots/l/objects-1.jsonl.zst")},
	spec.PolicyRestore: {lists(policyNative), reads(policyInfo), reads(policyOwn + "x"), writes(policyOwn + "plans/p/d.json.zst"), aborts(policyOwn + "plans/p/e.json.zst"),
		writes(policyInfo), deletes(policyInfo), aborts(policyInfo), writes(policyBeside), deletes(policyBeside), aborts(policyBeside),
		copies(policyNative+"__ss_content/f", policyComposed), deletes(policyComposed), aborts(policyComposed)},
	spec.PolicyMirror: {lists(policyNative), reads(policyInfo), writes(policyNative + "__ss_content/f"), aborts(policyNative + "__ss_content/g")},
	spec.PolicyPrune: {lists(policyOwn), reads(policyOwn + "x"), writes(policyOwn + "marks/l"), aborts(policyOwn + "marks/m"),
		deletes(policyNative + "__ss_content/f"), deletes(policyOwn + "x")},
	spec.PolicyStarRocks: {lists(policyNative), reads(policyInfo), absent("__palo_repository_repo/__repo_info"), writes(policyNative + "__meta.part"),
		{"rename " + policyNative + "__meta.part", func(ctx context.Context, s storage.Store) error {
			return errors.Join(s.Copy(ctx, policyNative+"__meta.part", policyNative+"__meta.d41d8cd98f00b204e9800998ecf8427e"), s.Delete(ctx, policyNative+"__meta.part"))
		}},
		writes(policyNative + "__ss_content/__db_1/f"), aborts(policyNative + "__ss_content/__db_1/g")},
}

// forbidden is what a purpose does not do, and its policy does not allow.
var forbidden = map[string][]operation{
	spec.PolicyBackup:  {writes(policyNative + "__ss_content/f"), deletes(policyNative + "__ss_content/f"), deletes(policyOwn + "x")},
	spec.PolicyRestore: {writes(policyNative + "__ss_content/f"), deletes(policyNative + "__ss_content/f"), deletes(policyOwn + "x")},
	spec.PolicyMirror:  {deletes(policyNative + "__ss_content/f"), deletes(policyOwn + "x")},
	spec.PolicyPrune:   {writes(policyNative + "__ss_content/f")},
}

// TestPoliciesAreEnoughAndLeast puts the printed policies on users of a server that enforces them. With a whole one
// everything works that its purpose does; without any single grant of it something does not.
func TestPoliciesAreEnoughAndLeast(t *testing.T) {
	server := storagetest.StartS3IAM(t)
	owner := openStore(t, server.Config("p/q"))
	for _, purpose := range spec.Policies() {
		t.Run(purpose, func(t *testing.T) {
			printed := readPolicy(t, activities.Repository{Name: "repo", Native: "repo", Location: "s3a://" + server.Bucket + "/p/q"}, purpose)
			var policy iamPolicy
			if err := json.Unmarshal(printed.Document, &policy); err != nil {
				t.Fatal(err)
			}
			user := server.User(t, purpose, "")
			own := openStore(t, user.Config("p/q"))
			user.SetPolicy(t, policy.text(t))
			if failed := attempt(t, server, owner, own, operations[purpose]); len(failed) > 0 {
				t.Errorf("with the whole policy these fail: %q\n%s", failed, printed.Document)
			}
			for _, pair := range policy.pairs() {
				user.SetPolicy(t, policy.lacking(t, pair))
				if len(attempt(t, server, owner, own, operations[purpose])) == 0 {
					t.Errorf("nothing fails without %s on %s: the policy is not the least", pair[0], pair[1])
				}
			}
			elsewhere := openStore(t, user.Config("p/other"))
			user.SetPolicy(t, policy.text(t))
			if err := storage.WriteAll(t.Context(), elsewhere, policyOwn+"x", nil, storage.Overwrite); !errors.Is(err, storage.ErrDenied) {
				t.Errorf("the policy lets its user write beside the location: %v", err)
			}
			for _, o := range forbidden[purpose] {
				if err := o.do(t.Context(), own); !errors.Is(err, storage.ErrDenied) {
					t.Errorf("the policy lets its user %s: %v", o.name, err)
				}
			}
		})
	}
}

// attempt does the operations and lists those that fail, or leave parts of an upload behind.
func attempt(t *testing.T, server *storagetest.IAMServer, owner, user storage.Store, list []operation) (failed []string) {
	t.Helper()
	for _, key := range []string{policyInfo, policyBeside, policyComposed, policyOwn + "x", policyNative + "__meta.part", policyNative + "__ss_content/f"} {
		if err := storage.WriteAll(t.Context(), owner, key, []byte("x"), storage.Overwrite); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range list {
		pending := 0
		aborting := strings.HasPrefix(o.name, "abort ")
		if aborting {
			pending = len(server.PendingUploads(t))
		}
		if err := o.do(t.Context(), user); err != nil || aborting && len(server.PendingUploads(t)) > pending {
			failed = append(failed, o.name)
		}
	}
	return failed
}

func openStore(t *testing.T, c storage.Config) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOnePolicyForAllIsNotLongerThanAnIAMUserMayHave(t *testing.T) {
	r := activities.Repository{Name: "repo", Native: strings.Repeat("r", 64), Location: "s3://" + strings.Repeat("b", 63) + "/" + strings.Repeat("prefix/", 20) + "x"}
	all := readPolicy(t, r)
	if !slices.Equal(all.For, spec.Policies()) {
		t.Errorf("a policy for everything is for %q", all.For)
	}
	for _, p := range append(spec.Policies(), "") {
		purposes := []string{p}
		if p == "" {
			purposes = nil
		}
		if n := len(readPolicy(t, r, purposes...).Document); n > 2048 {
			t.Errorf("the policy for %q has %d characters; AWS takes 2,048", p, n)
		}
	}
	var policy iamPolicy
	if err := json.Unmarshal(all.Document, &policy); err != nil {
		t.Fatal(err)
	}
	if len(policy.pairs()) != 5 {
		t.Errorf("what one purpose has wholly is repeated for another: %v", policy.pairs())
	}
}

func TestPoliciesOfOtherKinds(t *testing.T) {
	hdfs := func() (map[string]string, error) {
		return map[string]string{"username": "sr", "password": "canary"}, nil
	}
	tests := []struct {
		name     string
		r        activities.Repository
		purposes []string
		document []string
		commands []string
		not      string
	}{
		{"a bucket without prefix", activities.Repository{Location: "s3a://b"}, []string{spec.PolicyBackup}, []string{`"arn:aws:s3:::b/__starkeep/*"`, `"arn:aws:s3:::b/*"`}, nil, "b//"},
		{"GCS", activities.Repository{Kind: activities.KindGCS, Location: "s3a://b/p"}, []string{spec.PolicyBackup}, []string{`"storage.objects.create"`, `"storage.objects.list"`},
			[]string{"gcloud storage buckets add-iam-policy-binding gs://b "}, "multipartUploads"},
		{"GCS for StarRocks", activities.Repository{Kind: activities.KindGCS, Location: "s3a://b/p"}, []string{spec.PolicyStarRocks}, []string{`"storage.multipartUploads.create"`},
			[]string{"gcloud storage hmac create ACCOUNT"}, ""},
		{"HDFS", activities.Repository{Location: "hdfs://nn:8020/backups", Properties: hdfs}, nil, nil,
			[]string{"hdfs dfs -mkdir -p hdfs://nn:8020/backups", "hdfs dfs -chown -R sr hdfs://nn:8020/backups", "hdfs dfs -chmod"}, "canary"},
		{"a directory", activities.Repository{Location: "file:///srv/backups"}, nil, nil, []string{"mkdir -p /srv/backups"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.r.Name, tt.r.Native = "repo", "repo"
			p := readPolicy(t, tt.r, tt.purposes...)
			all := string(p.Document) + strings.Join(p.Commands, "\n") + strings.Join(p.Notes, "\n")
			for _, part := range append(tt.document, tt.commands...) {
				if !strings.Contains(all, part) {
					t.Errorf("lacks %s:\n%s", part, all)
				}
			}
			if tt.not != "" && strings.Contains(all, tt.not) {
				t.Errorf("has %q:\n%s", tt.not, all)
			}
			if tt.document == nil && p.Document != nil {
				t.Errorf("document %s", p.Document)
			}
		})
	}
}

func TestPoliciesOfMirrorsSpeakOfWorkersOnly(t *testing.T) {
	for location, owner := range map[string]string{"hdfs://nn:8020/copies": "hdfs dfs -chown -R WORKER_USER hdfs://nn:8020/copies", "file:///srv/copies": "chown -R USER /srv/copies"} {
		acts := activities.New(nil, nil, &activities.Mirror{Name: "dr", Location: location})
		var out spec.InspectResult
		(&bed{T: t, acts: acts}).must(&out, acts.Inspect, spec.Inspect{Read: spec.ReadPolicy, Repository: "dr"})
		said := strings.Join(append(out.Policy.Commands, out.Policy.Notes...), "\n")
		if !strings.Contains(said, owner) || !strings.Contains(said, "only workers go to a mirror") || strings.Contains(said, "FE") {
			t.Errorf("%s:\n%s", location, said)
		}
	}
}
