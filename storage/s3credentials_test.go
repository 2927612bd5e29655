package storage_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

const (
	roleARN  = "arn:aws:iam::123456789012:role/starkeep-backup"
	outsider = "tenant-7/4711"
)

// everything lets a user do whatever a Store does, everywhere.
const everything = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`

// noEnvironment hides the credentials of the machine that runs the test from the default chain.
func noEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_REGION",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// machine is a configuration that takes the keys of the instance profile.
func machine(c storage.Config) storage.Config {
	c.S3.AccessKey, c.S3.SecretKey, c.S3.InstanceProfile = "", "", true
	return c
}

// assumes adds a role to a configuration.
func assumes(c storage.Config, sts *storagetest.STS) storage.Config {
	c.S3.Role = storage.Role{ARN: roleARN, ExternalID: outsider, Endpoint: sts.Endpoint}
	return c
}

func chain(c storage.Config) storage.Config {
	c.S3.AccessKey, c.S3.SecretKey = "", ""
	return c
}

// A role's keys are a user's of their own, so that a test shows whose rights count.
func TestS3KeepsTheContractWithEveryKindOfCredentials(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3IAM(t)
	user, role := server.User(t, "user", ""), server.User(t, "role", everything)
	imds := storagetest.StartIMDS(t, role.Server)
	sts := storagetest.StartSTS(t, user.Server, storagetest.RoleRule{ARN: roleARN, ExternalID: outsider})
	sts.Rotate(role.Server, "")
	tests := []struct {
		name   string
		config func(prefix string) storage.Config
		whole  bool // the suite; else each operation once: which keys sign a request makes no difference to what it does
	}{
		{"static key", role.Config, false},
		{"instance profile", func(prefix string) storage.Config { return machine(user.Config(prefix)) }, false},
		{"role over a static key", func(prefix string) storage.Config { return assumes(user.Config(prefix), sts) }, false},
		{"role over the instance profile", func(prefix string) storage.Config { return assumes(machine(user.Config(prefix)), sts) }, true},
		{"default chain", func(prefix string) storage.Config { return chain(user.Config(prefix)) }, false},
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			imds.Rotate(role.Server, "")
			if strings.HasPrefix(test.name, "role over") {
				imds.Rotate(user.Server, "")
			}
			if !test.whole {
				brief(t, open(t, test.config(fmt.Sprint("p", i))))
				return
			}
			n := 0
			storagetest.Contract(t, func(t *testing.T) storage.Store {
				n++
				return open(t, test.config(fmt.Sprintf("whole %d/%d", i, n)))
			})
		})
	}
	for _, session := range sts.Sessions() {
		if session != "starkeep" {
			t.Errorf("session name %q", session)
		}
	}
}

// brief does each operation once.
func brief(t *testing.T, s storage.Store) {
	t.Helper()
	for _, size := range []int{10, 17 * mib} {
		data := content(size)
		write(t, s, "object", data)
		if err := s.Copy(t.Context(), "object", "copy"); err != nil {
			t.Error(err)
		}
		if got, err := storage.ReadAll(t.Context(), s, "copy", 20*mib); err != nil || !bytes.Equal(got, data) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
	}
	want(t, storage.WriteAll(t.Context(), s, "object", nil, storage.IfAbsent), storage.ErrExists)
	if err := s.Delete(t.Context(), "object", "copy"); err != nil {
		t.Error(err)
	}
	for object, err := range s.List(t.Context(), "") {
		t.Errorf("%+v, %v is left", object, err)
	}
}

// The default chain finds the instance profile, and there is no key in the settings of any of these.
func TestS3KeysOfARoleAreFetchedOnceAndRenewedBeforeTheyExpire(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3(t)
	tests := []struct {
		name     string
		lifetime time.Duration
		fetched  int // for four operations
	}{
		{"long before they expire they are kept", time.Hour, 1},
		{"they are replaced in the last minutes before they expire", 2 * time.Minute, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			imds := storagetest.StartIMDS(t, server)
			sts := storagetest.StartSTS(t, server, storagetest.RoleRule{ARN: roleARN, ExternalID: outsider})
			sts.Expire(test.lifetime)
			s := open(t, assumes(machine(server.Config("x")), sts))
			for i := range 4 {
				write(t, s, fmt.Sprint(i), nil)
			}
			if n := len(sts.Sessions()); n < test.fetched || n > 2*test.fetched {
				t.Errorf("the role was assumed %d times, want about %d", n, test.fetched)
			}
			if imds.Fetched() != 1 {
				t.Errorf("keys of the machine were fetched %d times", imds.Fetched())
			}
		})
	}
}

// As the SDK does by design: an outage of the metadata service leaves a machine the keys that it has.
func TestS3KeysOutliveAMetadataServiceThatIsDown(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3(t)
	imds := storagetest.StartIMDS(t, server)
	imds.Expire(-time.Second)
	s := open(t, machine(server.Config("x")))
	write(t, s, "before", nil)
	imds.Fail(answerWith(http.StatusInternalServerError, ""))
	write(t, s, "after", nil)
}

// A clock that is wrong by an hour is put right by what the server says, for a HEAD too, whose refusal has no code.
func TestS3RequestsAreSignedByTheServersClock(t *testing.T) {
	t.Parallel()
	const ahead = time.Hour
	var refused atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().Add(ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil || now.Sub(signed).Abs() > 15*time.Minute {
			refused.Add(1)
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("<Error><Code>RequestTimeTooSkewed</Code><Message>The difference is too large.</Message></Error>"))
			return
		}
		w.Header().Set("Content-Range", "bytes 0-0/1")
		_, _ = w.Write([]byte("x"))
	}))
	defer server.Close()
	c := storage.Config{Location: "s3://bucket", S3: storage.S3{Endpoint: server.URL, AccessKey: "key", SecretKey: "secret", PathStyle: true}}
	s := open(t, c)
	if _, err := s.Stat(t.Context(), "object"); err != nil {
		t.Error(err)
	}
	write(t, s, "object", []byte("x"))
	if refused.Load() != 1 {
		t.Errorf("%d requests were refused, want the first HEAD alone", refused.Load())
	}
	write(t, open(t, c), "object", []byte("x"))
}

// The CA file of a store is that of its STS too.
func TestS3RoleOverTLS(t *testing.T) {
	noEnvironment(t)
	server, caFile := storagetest.StartS3TLS(t)
	sts := storagetest.StartSTSTLS(t, server, storagetest.RoleRule{ARN: roleARN, ExternalID: outsider})
	c := assumes(server.Config("x"), sts)
	c.S3.CAFile = joined(t, caFile, sts.CAFile)
	brief(t, open(t, c))

	c.S3.CAFile = caFile
	err := storage.WriteAll(t.Context(), open(t, c), "object", nil, storage.Overwrite)
	want(t, err, storage.ErrInvalid)
	says(t, err, "AssumeRole", "certificate", "give the CA file of STS")
}

// joined is a file that holds several files.
func joined(t *testing.T, names ...string) string {
	t.Helper()
	var all []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	name := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(name, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOpenRefusesCredentialsThatContradictEachOther(t *testing.T) {
	const secret = "hidden-pass-1"
	keys := storage.S3{AccessKey: "a", SecretKey: secret}
	tests := []struct {
		name   string
		change func(*storage.S3)
	}{
		{"keys and instance profile", func(c *storage.S3) { c.InstanceProfile = true }},
		{"session token without keys", func(c *storage.S3) { *c = storage.S3{SessionToken: secret} }},
		{"session token and instance profile", func(c *storage.S3) { *c = storage.S3{SessionToken: secret, InstanceProfile: true} }},
		{"access key without secret key", func(c *storage.S3) { c.SecretKey = "" }},
		{"external id without a role", func(c *storage.S3) { c.Role.ExternalID = outsider }},
		{"session name without a role", func(c *storage.S3) { c.Role.SessionName = "name" }},
		{"STS endpoint without a role", func(c *storage.S3) { c.Role.Endpoint = "https://sts.example.com" }},
		{"role that is a name", func(c *storage.S3) { c.Role.ARN = "backup" }},
		{"session name with a blank", func(c *storage.S3) { c.Role = storage.Role{ARN: roleARN, SessionName: "the backup"} }},
		{"external id of one letter", func(c *storage.S3) { c.Role = storage.Role{ARN: roleARN, ExternalID: "x"} }},
		{"STS endpoint without a scheme", func(c *storage.S3) { c.Role = storage.Role{ARN: roleARN, Endpoint: "sts:443"} }},
		{"STS endpoint with a password", func(c *storage.S3) { c.Role = storage.Role{ARN: roleARN, Endpoint: "http://u:" + secret + "@sts"} }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := storage.Config{Location: "s3://bucket/x", S3: keys}
			test.change(&c.S3)
			_, err := storage.Open(t.Context(), c)
			want(t, err, storage.ErrInvalid)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("secret in %v", err)
			}
		})
	}
	good := storage.Role{ARN: roleARN, ExternalID: outsider, SessionName: "prod@backup", Endpoint: "https://sts.example.com"}
	for _, c := range []storage.S3{keys, {InstanceProfile: true}, {Role: good, AccessKey: "a", SecretKey: secret}, {Role: good, InstanceProfile: true}} {
		if _, err := storage.Open(t.Context(), storage.Config{Location: "s3://bucket/x", S3: c}); err != nil {
			t.Error(err)
		}
	}
}

// onlyWhile lets a proxy refuse every request that is not signed with the key that counts at the moment, as a server does whose
// keys were rotated.
func onlyWhile(key *atomic.Pointer[string], code string) func(*http.Request) storagetest.Fault {
	return func(r *http.Request) storagetest.Fault {
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+*key.Load()+"/") {
			return storagetest.Fault{}
		}
		return storagetest.Fault{Status: http.StatusBadRequest, Code: code}
	}
}

// The keys end while an object is on its way, before the time that STS or the metadata service told.
func TestS3TransfersSurviveKeysThatEndInTheirMiddle(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3IAM(t)
	first, second := server.User(t, "first", everything), server.User(t, "second", everything)
	data := content(70 * mib)
	for _, code := range []string{"ExpiredToken", "InvalidTokenId", "InvalidAccessKeyId"} {
		for _, kind := range []string{"instance profile", "role"} {
			t.Run(kind+", "+code, func(t *testing.T) {
				imds := storagetest.StartIMDS(t, first.Server)
				sts := storagetest.StartSTS(t, first.Server, storagetest.RoleRule{ARN: roleARN, ExternalID: outsider})
				proxy := storagetest.NewProxy(t, server.Endpoint)
				valid := &atomic.Pointer[string]{}
				valid.Store(&first.AccessKey)
				proxy.Inject(onlyWhile(valid, code))
				rotate := func(to storagetest.IAMUser) {
					imds.Rotate(to.Server, "")
					sts.Rotate(to.Server, "")
					valid.Store(&to.AccessKey)
				}
				c := machine(first.Config("x"))
				if kind == "role" {
					c = assumes(first.Config("x"), sts)
				}
				c.S3.Endpoint = proxy.Endpoint
				s := open(t, c)
				fetches := func() int { return imds.Fetched() + len(sts.Sessions()) }

				body := &turn{Reader: bytes.NewReader(data), at: 40 * mib, do: func() { rotate(second) }}
				if err := s.Put(t.Context(), "object", body, int64(len(data)), storage.Overwrite); err != nil {
					t.Fatal(err)
				}
				if fetches() != 2 {
					t.Errorf("keys were fetched %d times for the upload, want 2: two parts are on their way at a time", fetches())
				}

				proxy.Inject(func(r *http.Request) storagetest.Fault {
					fault := onlyWhile(valid, code)(r)
					fault.Cut = 30 * mib
					return fault
				})
				read, err := s.Get(t.Context(), "object", 0, -1)
				if err != nil {
					t.Fatal(err)
				}
				defer read.Close()
				got, err := io.ReadAll(io.TeeReader(read, &turnWriter{at: 20 * mib, do: func() { rotate(first) }}))
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("read %d bytes: %v", len(got), err)
				}
				rotate(second)
				if _, err := s.Stat(t.Context(), "object"); err != nil {
					t.Errorf("Stat, whose refusal has no code: %v", err)
				}
			})
		}
	}
}

// turn does something once when so many bytes have been read.
type turn struct {
	io.Reader
	at, n int
	do    func()
}

func (r *turn) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.n += n; r.n >= r.at && r.do != nil {
		r.do()
		r.do = nil
	}
	return n, err
}

// turnWriter does something once when so many bytes have been written.
type turnWriter struct {
	at, n int
	do    func()
}

func (w *turnWriter) Write(p []byte) (int, error) {
	if w.n += len(p); w.n >= w.at && w.do != nil {
		w.do()
		w.do = nil
	}
	return len(p), nil
}

// Static keys are not renewed: the request is not repeated, and the message says so.
func TestS3StaticKeysThatHaveExpiredAreToldAtOnce(t *testing.T) {
	t.Parallel()
	proxy, s, _, _ := faulty(t)
	var n atomic.Int64
	proxy.Inject(func(*http.Request) storagetest.Fault {
		n.Add(1)
		return storagetest.Fault{Status: http.StatusBadRequest, Code: "ExpiredToken"}
	})
	err := storage.WriteAll(t.Context(), s, "object", []byte("x"), storage.Overwrite)
	want(t, err, storage.ErrDenied)
	says(t, err, `put "object"`, "PutObject: HTTP 400 ExpiredToken: made by the test", "the session token has expired", "use a role or the instance profile")
	if n.Load() != 1 {
		t.Errorf("%d requests", n.Load())
	}
}

// A key that is deactivated or deleted, and a policy that is taken away, count from the next request on.
func TestS3KeysThatAreTakenAway(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	user := server.User(t, "user", everything)
	s := open(t, user.Config("x"))
	write(t, s, "object", []byte("data"))
	stat := func() error { _, err := s.Stat(t.Context(), "object"); return err }

	user.Deactivate(t)
	want(t, stat(), storage.ErrDenied)
	says(t, stat(), "InvalidAccessKeyId", "deactivated or deleted")
	user.Activate(t)
	if err := stat(); err != nil {
		t.Error(err)
	}
	user.DeletePolicy(t)
	want(t, stat(), storage.ErrDenied)
	says(t, stat(), "not authorized to perform: s3:GetObject", "the credentials need s3:GetObject on arn:aws:s3:::starkeep-test/x/*")
	user.SetPolicy(t, everything)
	old := user
	user.Rotate(t)
	old.DeleteKey(t)
	want(t, stat(), storage.ErrDenied)
	write(t, open(t, user.Config("x")), "object", []byte("data"))
}

// says checks that a message holds every one of some words.
func says(t testing.TB, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v\ndoes not say %q", err, word)
		}
	}
}
