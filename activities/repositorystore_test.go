package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"starkeep/storage"
	"starkeep/storage/storagetest"
	"starkeep/workflows/spec"
)

// operations are what activities do with a store.
var operations = map[string]func(context.Context, storage.Store) error{
	"list": func(ctx context.Context, s storage.Store) error {
		for _, err := range s.List(ctx, "") {
			return err
		}
		return nil
	},
	"get": func(ctx context.Context, s storage.Store) error {
		_, err := storage.ReadAll(ctx, s, "present", 100)
		return err
	},
	"stat": func(ctx context.Context, s storage.Store) error { _, err := s.Stat(ctx, "present"); return err },
	"put": func(ctx context.Context, s storage.Store) error {
		return storage.WriteAll(ctx, s, "new", []byte("x"), storage.Overwrite)
	},
	"copy":   func(ctx context.Context, s storage.Store) error { return s.Copy(ctx, "present", "copied") },
	"delete": func(ctx context.Context, s storage.Store) error { return s.Delete(ctx, "present") },
}

// TestWhatAStoreRefusesNamesRepositoryCauseAndFix asks a real S3 server with every kind of wrong credentials.
func TestWhatAStoreRefusesNamesRepositoryCauseAndFix(t *testing.T) {
	server := storagetest.StartS3(t)
	root, err := storage.Open(t.Context(), server.Config("backups"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := storage.WriteAll(t.Context(), root, "present", []byte("x"), storage.Overwrite); err != nil {
		t.Fatal(err)
	}
	all := []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"}
	without := func(name, action string) storage.Config {
		var rest []string
		for _, a := range all {
			if a != action {
				rest = append(rest, a)
			}
		}
		return server.User(t, name, rest...).Config("backups")
	}
	changed := func(change func(*storage.Config)) storage.Config {
		c := server.Config("backups")
		change(&c)
		return c
	}
	const canary = "c4n4ry-secret-key"
	for name, c := range map[string]struct {
		config    storage.Config
		operation string
		kind      string
		want      []string
	}{
		"wrong secret key": {changed(func(c *storage.Config) { c.S3.SecretKey = canary }), "list", spec.ErrorAuthDenied,
			[]string{"SignatureDoesNotMatch", "secret key", "correct"}},
		"unknown access key": {changed(func(c *storage.Config) { c.S3.AccessKey = "nobody" }), "put", spec.ErrorAuthDenied,
			[]string{"InvalidAccessKeyId", "access key"}},
		"wrong region": {changed(func(c *storage.Config) { c.S3.Region = "eu-north-1" }), "list", spec.ErrorAuthDenied,
			[]string{"AuthorizationHeaderMalformed", "correct the region"}},
		"missing bucket": {changed(func(c *storage.Config) { c.Location = "s3://no-such-bucket/backups" }), "list", spec.ErrorRepositoryMissing,
			[]string{"NoSuchBucket", "no-such-bucket", "create"}},
		"no right to list":   {without("lister", "s3:ListBucket"), "list", spec.ErrorAuthDenied, []string{"AccessDenied", "s3:ListBucket"}},
		"no right to get":    {without("getter", "s3:GetObject"), "get", spec.ErrorAuthDenied, []string{"AccessDenied", "s3:GetObject"}},
		"no right to put":    {without("putter", "s3:PutObject"), "put", spec.ErrorAuthDenied, []string{"AccessDenied", "s3:PutObject"}},
		"no right to delete": {without("deleter", "s3:DeleteObject"), "delete", spec.ErrorAuthDenied, []string{"AccessDenied", "s3:DeleteObject"}},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := storage.Open(t.Context(), c.config)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			a := New(nil, []*Repository{{Name: "s3-main", Native: "r", Location: "s3a://b/backups", Kind: KindS3, Credential: "access key", Store: store}})
			err = operations[c.operation](t.Context(), a.repositories["s3-main"].Store)
			app := applicationError(t, err)
			if app.Type() != c.kind || !app.NonRetryable() {
				t.Errorf("type %s, retried %t; want %s, not retried", app.Type(), !app.NonRetryable(), c.kind)
			}
			want := append(c.want, "repository s3-main", c.operation)
			if c.kind == spec.ErrorAuthDenied {
				want = append(want, "the worker's credential there is the access key")
			}
			for _, w := range want {
				if !strings.Contains(app.Message(), w) {
					t.Errorf("message lacks %q:\n%s", w, app.Message())
				}
			}
			if strings.Contains(app.Message(), canary) {
				t.Errorf("the message holds the secret: %s", app.Message())
			}
		})
	}
	t.Run("server down", func(t *testing.T) {
		c := server.Config("backups")
		c.S3.Endpoint = "http://127.0.0.1:1"
		store, err := storage.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		a := New(nil, []*Repository{{Name: "s3-main", Kind: KindS3, Store: store}})
		app := applicationError(t, operations["stat"](t.Context(), a.repositories["s3-main"].Store))
		if app.Type() != spec.ErrorStorageUnavailable || app.NonRetryable() {
			t.Errorf("type %s, retried %t", app.Type(), !app.NonRetryable())
		}
		for _, w := range []string{"repository s3-main", "connection refused", "s3.endpoint"} {
			if !strings.Contains(app.Message(), w) {
				t.Errorf("message lacks %q:\n%s", w, app.Message())
			}
		}
	})
}

func applicationError(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(failure(t.Context(), err), &app) {
		t.Fatalf("%v became %v, which is no ApplicationError", err, failure(t.Context(), err))
	}
	return app
}

// brokenStore fails with one error in everything.
type brokenStore struct {
	storage.Store
	err error
}

func (s brokenStore) Put(context.Context, string, io.Reader, int64, storage.Mode) error { return s.err }
func (s brokenStore) Get(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, s.err
}
func (s brokenStore) Stat(context.Context, string) (storage.Object, error) {
	return storage.Object{}, s.err
}
func (s brokenStore) Delete(context.Context, ...string) error    { return s.err }
func (s brokenStore) Copy(context.Context, string, string) error { return s.err }
func (s brokenStore) List(context.Context, string) iter.Seq2[storage.Object, error] {
	return func(yield func(storage.Object, error) bool) { yield(storage.Object{}, s.err) }
}

// TestAdviceByKindOfStore: what a store's own words do not say is added, in the words of its kind.
func TestAdviceByKindOfStore(t *testing.T) {
	type row struct {
		kind       Kind
		credential string
		operation  string
		sentinel   error
		said       string
		want       string // failure type
		retried    bool
		words      []string
	}
	for name, c := range map[string]row{
		"GCS list": {KindGCS, "service account /k.json", "list", storage.ErrDenied, "HTTP 403: sa@p.iam does not have storage.objects.list access to the Google Cloud Storage bucket.",
			spec.ErrorAuthDenied, false, []string{"give the worker's user storage.objects.list on gs://bucket", "service account /k.json"}},
		"GCS get": {KindGCS, "HMAC key", "get", storage.ErrDenied, "HTTP 403: sa@p.iam does not have storage.objects.get access", spec.ErrorAuthDenied, false,
			[]string{"storage.objects.get", "HMAC key"}},
		"GCS put":    {KindGCS, "", "put", storage.ErrDenied, "HTTP 403", spec.ErrorAuthDenied, false, []string{"storage.objects.create"}},
		"GCS delete": {KindGCS, "", "delete", storage.ErrDenied, "HTTP 403", spec.ErrorAuthDenied, false, []string{"storage.objects.delete"}},
		"GCS without a token": {KindGCS, "", "list", storage.ErrDenied, "no access token: invalid_grant: Invalid JWT Signature", spec.ErrorAuthDenied, false,
			[]string{"correct the credentials of the worker", "gcs.serviceAccountFile"}},
		"GCS bucket": {KindGCS, "", "list", storage.ErrNoBucket, "HTTP 404: The specified bucket does not exist.", spec.ErrorRepositoryMissing, false,
			[]string{"create the bucket", "profile main"}},
		"S3 expired": {KindS3, "role arn:aws:iam::1:role/x, assumed with the instance profile", "get", storage.ErrDenied, "GetObject: HTTP 400 ExpiredToken: The provided token has expired.",
			spec.ErrorAuthDenied, false, []string{"correct the credentials of the worker", "s3.accessKey", "role arn:aws:iam::1:role/x"}},
		"S3 copy":      {KindS3, "access key", "copy", storage.ErrDenied, "CopyObject: HTTP 403 AccessDenied", spec.ErrorAuthDenied, false, []string{"s3:GetObject and s3:PutObject"}},
		"S3 busy":      {KindS3, "", "put", storage.ErrUnavailable, "PutObject: HTTP 503 ServiceUnavailable", spec.ErrorStorageUnavailable, true, nil},
		"S3 slow down": {KindS3, "", "put", storage.ErrThrottled, "PutObject: HTTP 503 SlowDown", spec.ErrorThrottled, true, nil},
		"HDFS wrong user": {KindHDFS, "user alice", "list", storage.ErrDenied, `getListing: AccessControlException: Permission denied: user=alice, access=READ_EXECUTE, inode="/b"`,
			spec.ErrorAuthDenied, false, []string{"r and x on the directory", "user alice"}},
		"HDFS get":    {KindHDFS, "user alice", "get", storage.ErrDenied, "permission denied", spec.ErrorAuthDenied, false, []string{"r on the file and x"}},
		"HDFS put":    {KindHDFS, "user alice", "put", storage.ErrDenied, "permission denied", spec.ErrorAuthDenied, false, []string{"w and x on the directory"}},
		"HDFS delete": {KindHDFS, "user alice", "delete", storage.ErrDenied, "permission denied", spec.ErrorAuthDenied, false, []string{"w and x on the directory"}},
		"NameNode down": {KindHDFS, "", "list", storage.ErrUnavailable, "no available namenodes: dial tcp 127.0.0.1:8020: connect: connection refused", spec.ErrorStorageUnavailable, true,
			[]string{"no available namenodes", "hdfs.location and nameNodes"}},
		"a directory": {KindFile, "", "put", storage.ErrDenied, "open /srv/x: permission denied", spec.ErrorAuthDenied, false, []string{"read and write the directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := brokenStore{err: &storage.Error{Op: c.operation, Key: "a/b", Kind: c.sentinel, Err: errors.New(c.said)}}
			a := New(nil, []*Repository{{Name: "main", Location: "s3a://bucket/prefix", Kind: c.kind, Credential: c.credential, Store: store}})
			err := fmt.Errorf("read the plan: %w", operations[c.operation](t.Context(), a.repositories["main"].Store))
			app := applicationError(t, err)
			if app.Type() != c.want || app.NonRetryable() == c.retried {
				t.Errorf("type %s, retried %t; want %s, %t", app.Type(), !app.NonRetryable(), c.want, c.retried)
			}
			for _, w := range append(c.words, "read the plan: repository main: "+c.operation+` "a/b"`, c.said) {
				if !strings.Contains(app.Message(), w) {
					t.Errorf("message lacks %q:\n%s", w, app.Message())
				}
			}
			if c.words == nil && !strings.HasSuffix(app.Message(), c.said) {
				t.Errorf("advice where nothing helps but waiting: %s", app.Message())
			}
		})
	}
}

// TestACopyBetweenRepositoriesNamesTheOneThatFailed: the error of the source travels through the target's Put.
func TestACopyBetweenRepositoriesNamesTheOneThatFailed(t *testing.T) {
	failed := &storage.Error{Op: "get", Key: "k", Kind: storage.ErrDenied, Err: errors.New("AccessDenied")}
	source := &repositoryStore{brokenStore{err: failed}, &Repository{Name: "source", Kind: KindGCS, Location: "s3a://from/x", Credential: "HMAC key"}}
	target := &repositoryStore{brokenStore{}, &Repository{Name: "target", Kind: KindS3, Location: "s3a://to/x", Credential: "access key"}}
	_, err := source.Get(t.Context(), "k", 0, -1)
	target.Store = brokenStore{err: &storage.Error{Op: "put", Key: "k", Err: err}}
	app := applicationError(t, target.Put(t.Context(), "k", nil, 0, storage.Overwrite))
	for _, w := range []string{"repository target: put", "repository source: get", "storage.objects.get on gs://from", "HMAC key"} {
		if !strings.Contains(app.Message(), w) {
			t.Errorf("message lacks %q:\n%s", w, app.Message())
		}
	}
	if strings.Contains(app.Message(), "access key") {
		t.Errorf("the target's credential is named: %s", app.Message())
	}
}

// TestANamedStoreKeepsTheContract: nothing but the words of errors changes.
func TestANamedStoreKeepsTheContract(t *testing.T) {
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		store, err := storage.Open(t.Context(), storage.Config{Location: "file://" + t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return &repositoryStore{store, &Repository{Name: fmt.Sprint(n)}}
	})
}

// TestABodyThatBreaksNamesItsRepository: an error in mid-read is the repository's too; the end of a body is none.
func TestABodyThatBreaksNamesItsRepository(t *testing.T) {
	of := &repositoryStore{nil, &Repository{Name: "main"}}
	good := &repositoryBody{io.NopCloser(strings.NewReader("text")), of}
	if data, err := io.ReadAll(good); err != nil || string(data) != "text" {
		t.Errorf("%q, %v", data, err)
	}
	bad := &repositoryBody{io.NopCloser(io.MultiReader(bytes.NewReader([]byte("te")), brokenReader{})), of}
	if _, err := io.ReadAll(bad); !errors.Is(err, storage.ErrChanged) || !strings.HasPrefix(err.Error(), "repository main: ") {
		t.Errorf("%v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, storage.ErrChanged }

// What a server tells of its copies saves asking for each: it must not end at the name.
func TestANamedStorePassesOnWhatItsServerTells(t *testing.T) {
	a := New(nil, []*Repository{{Name: "r", Store: tellingStore{err: storage.ErrDenied}}})
	sum, err := storage.CopyTold(t.Context(), a.repositories["r"].Store, storage.Object{Key: "from"}, "to")
	if sum != "told" || !errors.Is(err, storage.ErrDenied) || !strings.Contains(err.Error(), "repository r") {
		t.Errorf("got %q, %v", sum, err)
	}
}

// tellingStore fails, but not without an answer.
type tellingStore struct {
	storage.Store
	err error
}

func (s tellingStore) CopyTold(context.Context, storage.Object, string) (string, error) {
	return "told", s.err
}
