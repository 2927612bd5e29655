package storage_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestGCSAccountWithoutRightsIsDenied(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	storagetest.Denied(t, open(t, server.Config("x")), open(t, server.User(t, "nobody").Config("x")))
}

func TestGCSEachMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	write(t, open(t, server.Config("x")), "object", []byte("data"))
	all := []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}
	for i, missing := range all {
		t.Run(missing, func(t *testing.T) {
			var granted []string
			for j, permission := range all {
				if j != i {
					granted = append(granted, permission)
				}
			}
			s := open(t, server.User(t, "without-"+strings.ReplaceAll(missing, ".", "-"), granted...).Config("x"))
			_, getErr := storage.ReadAll(t.Context(), s, "object", 10)
			_, statErr := s.Stat(t.Context(), "object")
			var listErr error
			for _, err := range s.List(t.Context(), "") {
				listErr = err
			}
			errs := map[string]error{
				"storage.objects.create": storage.WriteAll(t.Context(), s, "new "+missing, nil, storage.IfAbsent),
				"storage.objects.get":    getErr, "storage.objects.list": listErr, "storage.objects.delete": s.Delete(t.Context(), "object to remove"),
			}
			for needed, err := range errs {
				if needed != missing {
					if err != nil {
						t.Errorf("%s is granted: %v", needed, err)
					}
					continue
				}
				want(t, err, storage.ErrDenied)
				if err != nil && !strings.Contains(err.Error(), missing) {
					t.Errorf("%v does not name %s", err, missing)
				}
			}
			if denied := missing == "storage.objects.get"; denied != (statErr != nil) {
				t.Errorf("Stat: %v", statErr)
			}
		})
	}
}

func TestGCSAbsentBucketIsErrNoBucket(t *testing.T) {
	t.Parallel()
	c := storagetest.StartGCS(t).Config("")
	c.Location = "gs://no-such-bucket/x"
	operations := map[string]func(s storage.Store) error{
		"Stat":   func(s storage.Store) error { _, err := s.Stat(t.Context(), "object"); return err },
		"Get":    func(s storage.Store) error { _, err := s.Get(t.Context(), "object", 0, -1); return err },
		"Delete": func(s storage.Store) error { return s.Delete(t.Context(), "object") },
		"Copy":   func(s storage.Store) error { return s.Copy(t.Context(), "object", "to") },
		"List": func(s storage.Store) (last error) {
			for _, err := range s.List(t.Context(), "") {
				last = err
			}
			return last
		},
		"Put": func(s storage.Store) error { return storage.WriteAll(t.Context(), s, "object", nil, storage.Overwrite) },
		"Put, large": func(s storage.Store) error {
			return storage.WriteAll(t.Context(), s, "object", content(17*mib), storage.Overwrite)
		},
		"Put, large, IfAbsent": func(s storage.Store) error {
			return storage.WriteAll(t.Context(), s, "object", content(17*mib), storage.IfAbsent)
		},
	}
	for name, operation := range operations {
		t.Run(name, func(t *testing.T) { want(t, operation(open(t, c)), storage.ErrNoBucket) })
	}
}

func TestGCSTokensAreKeptAndRenewedWhenRefused(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	s := open(t, server.Config("x"))
	for i := range 20 {
		write(t, s, fmt.Sprint(i), nil)
	}
	if n := server.Tokens.Asked(); n != 1 {
		t.Errorf("%d tokens for 20 requests", n)
	}
	server.Tokens.Revoke()
	write(t, s, "small", []byte("data"))
	server.Tokens.Revoke()
	write(t, s, "large", content(17*mib))
	if n := server.Tokens.Asked(); n != 3 {
		t.Errorf("%d tokens, want 3", n)
	}
}

func TestGCSRefusedTokenIsDeniedWithTheServersWords(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	key, err := os.ReadFile(server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	stranger := storagetest.StartTokenServer(t).Account(t, "stranger") // its account is unknown to the server's
	text, err := os.ReadFile(stranger)
	if err != nil {
		t.Fatal(err)
	}
	_, uri, _ := strings.Cut(string(text), `"token_uri":"`)
	uri, _, _ = strings.Cut(uri, `"`)
	text = []byte(strings.ReplaceAll(string(text), uri, server.Tokens.Endpoint))
	if err := os.WriteFile(stranger, text, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		key    string
		status int
		body   string
		want   error
		words  string
	}{
		{"unknown account", stranger, 0, "", storage.ErrDenied, "account not found: stranger@"},
		{"disabled key", server.KeyFile, 400, `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`, storage.ErrDenied, "Invalid JWT Signature."},
		{"deleted account", server.KeyFile, 401, `{"error":"invalid_client","error_description":"The OAuth client was not found."}`, storage.ErrDenied, "The OAuth client was not found."},
		{"busy token server", server.KeyFile, 503, "try again", storage.ErrUnavailable, "try again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server.Tokens.Refuse(test.status, test.body)
			defer server.Tokens.Refuse(0, "")
			c := server.Config("x")
			c.GCS.ServiceAccountFile = test.key
			err := storage.WriteAll(t.Context(), open(t, c), "object", []byte("x"), storage.IfAbsent)
			want(t, err, test.want)
			if err == nil || !strings.Contains(err.Error(), test.words) {
				t.Errorf("%q is not in %v", test.words, err)
			}
			if shown := fmt.Sprintf("%v %+v %#v", err, c.GCS, c); strings.Contains(shown, "PRIVATE KEY") || strings.Contains(shown, "assertion") || strings.Contains(shown, string(key[200:260])) {
				t.Errorf("key material in %s", shown)
			}
		})
	}
}

func TestGCSTokenServerThatIsDownIsErrUnavailable(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	text, err := os.ReadFile(server.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), server.Tokens.Endpoint, "http://127.0.0.1:1/token")), 0o600); err != nil {
		t.Fatal(err)
	}
	c := server.Config("x")
	c.GCS.ServiceAccountFile = file
	_, err = open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrUnavailable)
}

func TestGCSApplicationDefaultCredentials(t *testing.T) {
	server := storagetest.StartGCS(t)
	t.Setenv("HOME", t.TempDir())
	c := server.Config("x")
	c.GCS.ServiceAccountFile = ""
	t.Run("of the environment's file", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", server.KeyFile)
		write(t, open(t, c), "object", nil)
	})
	t.Run("of the machine's service account", func(t *testing.T) {
		token := server.Tokens.Issue("owner")
		metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Metadata-Flavor", "Google")
			if r.Header.Get("Metadata-Flavor") != "Google" || !strings.HasSuffix(r.URL.Path, "/token") {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			fmt.Fprintf(w, `{"access_token":%q,"expires_in":3600,"token_type":"Bearer"}`, token)
		}))
		t.Cleanup(metadata.Close)
		t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(metadata.URL, "http://"))
		write(t, open(t, c), "object", nil)
	})
	t.Run("that are not there are ErrDenied, in the first operation", func(t *testing.T) {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "absent.json"))
		_, err := open(t, c).Stat(t.Context(), "object")
		want(t, err, storage.ErrDenied)
	})
}

func TestGCSTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, stored(1, "").body)
	}))
	t.Cleanup(server.Close)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	c := storage.Config{Location: "gs://bucket/x", GCS: storage.GCS{
		Endpoint: server.URL, ServiceAccountFile: storagetest.StartTokenServer(t).Account(t, "owner"), CAFile: caFile,
	}}
	if _, err := open(t, c).Stat(t.Context(), "key"); err != nil {
		t.Error(err)
	}
	c.GCS.CAFile = ""
	_, err := open(t, c).Stat(t.Context(), "key")
	want(t, err, storage.ErrInvalid)
}

// A Put must not read a large body further ahead than the memory it promises: the chunk that is sent, and as much again.
func TestGCSPutHoldsTwoChunks(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	free, reached := make(chan struct{}), make(chan struct{}, 100)
	server.Inject(func(r *http.Request) storagetest.Fault {
		if r.Header.Get("Content-Range") != "" {
			reached <- struct{}{}
			<-free
		}
		return storagetest.Fault{}
	})
	const size = 100 * mib
	body := &counter{body: io.LimitReader(rand.NewChaCha8([32]byte{}), size)}
	done := make(chan error, 1)
	go func() { done <- open(t, server.Config("x")).Put(t.Context(), "object", body, size, storage.Overwrite) }()
	<-reached
	if read := body.n.Load(); read > 33*mib {
		t.Errorf("%d MiB are read with the first chunk on its way", read/mib)
	}
	close(free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if read := body.n.Load(); read != size {
		t.Errorf("read %d", read)
	}
}

func TestGCSServerThatIsDownIsErrUnavailable(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	s := open(t, server.Config("x"))
	write(t, s, "object", []byte("data"))
	server.Stop()
	for name, operation := range map[string]func(context.Context) error{
		"Stat": func(ctx context.Context) error { _, err := s.Stat(ctx, "object"); return err },
		"Put":  func(ctx context.Context) error { return storage.WriteAll(ctx, s, "new", nil, storage.Overwrite) },
		"Put, large": func(ctx context.Context) error {
			return storage.WriteAll(ctx, s, "new", content(17*mib), storage.Overwrite)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want(t, operation(t.Context()), storage.ErrUnavailable)
		})
	}
}

func TestGCSUsesConnectionsAgain(t *testing.T) {
	t.Parallel()
	w := newWire(t, stored(1, ""))
	for range 50 {
		if _, err := w.store.Stat(t.Context(), "key"); err != nil {
			t.Fatal(err)
		}
	}
	if w.connections > 1 {
		t.Errorf("%d connections for 50 requests one after the other", w.connections)
	}
}

func TestOpenRefusesGCSSettingsThatCannotWork(t *testing.T) {
	notAKey := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(notAKey, []byte(`{"type":"authorized_user","client_secret":"hidden-pass-1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "hidden-pass-1"
	tests := []storage.Config{
		{Location: "gs://"}, {Location: "gs:///x"}, {Location: "gs://bucket/"}, {Location: "gs://bucket/a//b"}, {Location: "gs://user:" + secret + "@bucket/x"},
		{Location: "gs://bucket", GCS: storage.GCS{AccessKey: "a"}}, {Location: "gs://bucket", GCS: storage.GCS{SecretKey: secret}},
		{Location: "gs://bucket", GCS: storage.GCS{AccessKey: "a", SecretKey: secret, ServiceAccountFile: notAKey}},
		{Location: "gs://bucket", GCS: storage.GCS{Endpoint: "host:443"}}, {Location: "gs://bucket", GCS: storage.GCS{Endpoint: "http://u:" + secret + "@host"}},
		{Location: "gs://bucket", GCS: storage.GCS{ServiceAccountFile: "/no/such/file"}}, {Location: "gs://bucket", GCS: storage.GCS{ServiceAccountFile: notAKey}},
		{Location: "gs://bucket", GCS: storage.GCS{CAFile: "/no/such/file"}},
	}
	for _, c := range tests {
		t.Run(c.Location+" "+c.GCS.String(), func(t *testing.T) {
			_, err := storage.Open(t.Context(), c)
			want(t, err, storage.ErrInvalid)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("secret in %v", err)
			}
		})
	}
}
