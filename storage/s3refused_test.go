package storage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// canary is a secret or token that no message may show.
const canary = "canary-secret-7f3a9b"

func answerWith(status int, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}
}

// only lets the fault happen for requests whose path ends so.
func only(suffix string, fail func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, suffix) && fail(w, r)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}

func hangUp(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }

func TestS3InstanceProfileThatGivesNoKeys(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3(t)
	c := machine(server.Config("x"))
	const role = "starkeep-machine"
	tests := []struct {
		name  string
		setup func(t *testing.T, imds *storagetest.IMDS)
		want  error
		says  string
	}{
		{"no role on the machine", func(_ *testing.T, s *storagetest.IMDS) {
			s.Fail(only("/security-credentials/", answerWith(404, "")))
		}, storage.ErrDenied, "attach an instance profile"},
		{"401", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(only("/security-credentials/", answerWith(401, ""))) }, storage.ErrDenied, "refuses IMDSv2"},
		{"403 for the token", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(only("/token", answerWith(403, ""))) }, storage.ErrDenied, "refuses IMDSv2"},
		{"IMDSv1 alone", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(only("/token", answerWith(405, ""))) }, storage.ErrDenied, "HTTP 405"},
		{"role refused", func(_ *testing.T, s *storagetest.IMDS) {
			s.Fail(only(role, answerWith(200, `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}`)))
		}, storage.ErrDenied, "EC2 cannot assume the role; see the role of the instance profile"},
		{"empty keys", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(only(role, answerWith(200, `{"Code":"Success"}`))) }, storage.ErrDenied, "empty access key"},
		{"rubbish", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(only(role, answerWith(200, `<html>`))) }, storage.ErrDenied, "decode"},
		{"500", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(answerWith(500, "")) }, storage.ErrUnavailable, "500"},
		{"breaks connections", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(hangUp) }, storage.ErrUnavailable, "EOF"},
		{"does not answer", func(_ *testing.T, s *storagetest.IMDS) { s.Fail(hang) }, storage.ErrUnavailable, "hop limit"},
		{"nothing there", func(t *testing.T, _ *storagetest.IMDS) {
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
		}, storage.ErrDenied, "no instance metadata service"},
		{"disabled", func(t *testing.T, _ *storagetest.IMDS) { t.Setenv("AWS_EC2_METADATA_DISABLED", "true") }, storage.ErrDenied, "unset it"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			imds := storagetest.StartIMDS(t, server)
			test.setup(t, imds)
			began := time.Now()
			err := storage.WriteAll(t.Context(), open(t, c), "object", nil, storage.Overwrite)
			want(t, err, test.want)
			says(t, err, `put "object"`, test.says)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			t.Log(err)
		})
	}
}

func TestS3RoleThatCannotBeAssumed(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3(t)
	trust := storagetest.RoleRule{ARN: roleARN, ExternalID: outsider}
	tests := []struct {
		name  string
		setup func(c *storage.S3, sts *storagetest.STS)
		want  error
		says  string
	}{
		{"wrong external id", func(c *storage.S3, _ *storagetest.STS) { c.Role.ExternalID = "another" }, storage.ErrDenied, "external id"},
		{"no external id", func(c *storage.S3, _ *storagetest.STS) { c.Role.ExternalID = "" }, storage.ErrDenied, "external id"},
		{"wrong ARN", func(c *storage.S3, _ *storagetest.STS) { c.Role.ARN = "arn:aws:iam::123456789012:role/other" }, storage.ErrDenied, "check the role's ARN"},
		{"no trust", func(_ *storage.S3, s *storagetest.STS) {
			s.Trust(storagetest.RoleRule{ARN: roleARN, Principals: []string{"somebody"}})
		}, storage.ErrDenied, "trust policy names these credentials"},
		{"malformed ARN", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(400, "ValidationError")) }, storage.ErrInvalid, "correct the role's ARN"},
		{"unknown key", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(403, "InvalidClientTokenId")) }, storage.ErrDenied, "the access key is not known"},
		{"wrong secret", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(403, "SignatureDoesNotMatch")) }, storage.ErrDenied, "correct it"},
		{"expired token of the keys below", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(403, "ExpiredToken")) }, storage.ErrDenied, "has expired"},
		{"STS is not active", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(403, "RegionDisabledException")) }, storage.ErrDenied, "activate STS"},
		{"throttled", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(400, "Throttling")) }, storage.ErrThrottled, "Throttling"},
		{"STS fails", func(_ *storage.S3, s *storagetest.STS) { s.Fail(stsAnswer(500, "InternalFailure")) }, storage.ErrUnavailable, "500"},
		{"nothing there", func(c *storage.S3, _ *storagetest.STS) { c.Role.Endpoint = "http://127.0.0.1:1" }, storage.ErrUnavailable, "STS cannot be reached"},
		{"instance profile below gives no keys", func(c *storage.S3, _ *storagetest.STS) {
			c.AccessKey, c.SecretKey, c.InstanceProfile = "", "", true
		}, storage.ErrDenied, "AWS_EC2_METADATA_DISABLED is set for the worker"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // the SDK's pauses between attempts
			sts := storagetest.StartSTS(t, server, trust)
			c := assumes(server.Config("x"), sts)
			test.setup(&c.S3, sts)
			s := open(t, c)
			_, err := s.Stat(t.Context(), "object")
			want(t, err, test.want)
			says(t, err, `stat "object"`, "no credentials from role "+c.S3.Role.ARN, test.says)
			if strings.Contains(err.Error(), server.SecretKey) {
				t.Errorf("secret in %v", err)
			}
			t.Log(err)
		})
	}
}

// Neither who asks for keys nor who waits for them is held longer than its context lasts.
func TestS3KeysThatDoNotComeEndWithTheContext(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartS3(t)
	proxy := storagetest.NewProxy(t, server.Endpoint)
	sts := storagetest.StartSTS(t, server, storagetest.RoleRule{ARN: roleARN, ExternalID: outsider})
	c := assumes(server.Config("x"), sts)
	c.S3.Endpoint = proxy.Endpoint
	s := open(t, c)
	reached := make(chan struct{}, 100)
	hangs := func() (end func()) {
		free := make(chan struct{})
		sts.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			reached <- struct{}{}
			<-free
			return answerWith(http.StatusServiceUnavailable, "")(w, r)
		})
		return func() { sts.Fail(nil); close(free) }
	}
	operation := func(ctx context.Context) error {
		var many sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			many.Go(func() { errs[i] = storage.WriteAll(ctx, s, "object", nil, storage.Overwrite) })
		}
		many.Wait()
		for _, err := range errs {
			want(t, err, context.Canceled)
		}
		return errs[0]
	}
	t.Run("the first ones", func(t *testing.T) {
		defer hangs()()
		endsWithContext(t, reached, operation)
	})
	t.Run("new ones", func(t *testing.T) {
		write(t, s, "object", nil)
		defer hangs()()
		proxy.Inject(func(*http.Request) storagetest.Fault { return storagetest.Fault{Status: 400, Code: "ExpiredToken"} })
		endsWithContext(t, reached, operation)
	})
}

func stsAnswer(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return answerWith(status, `<ErrorResponse><Error><Code>`+code+`</Code><Message>made by the test</Message></Error></ErrorResponse>`)
}

func TestS3DefaultChainThatFindsNothing(t *testing.T) {
	noEnvironment(t)
	c := chain(storagetest.StartS3(t).Config("x"))
	_, err := open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrDenied)
	says(t, err, "no credentials from the default chain", "give an access key, the instance profile or a role")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
	_, err = open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrDenied)
}

// What the servers answer of their own accord, and what the message makes of it.
func TestS3RefusalsSayWhatHelps(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3IAM(t)
	tests := []struct {
		name   string
		change func(*storage.Config)
		want   error
		says   []string
	}{
		{"wrong secret", func(c *storage.Config) { c.S3.SecretKey = canary }, storage.ErrDenied, []string{"HTTP 403 SignatureDoesNotMatch", "the secret key is not the one of this access key"}},
		{"unknown key", func(c *storage.Config) { c.S3.AccessKey, c.S3.SecretKey = "stranger", canary }, storage.ErrDenied, []string{"HTTP 403 InvalidAccessKeyId", "does not know the access key"}},
		{"bogus session token", func(c *storage.Config) { c.S3.SessionToken = canary }, storage.ErrDenied, []string{"InvalidToken", "leave the token out"}},
		{"wrong region", func(c *storage.Config) { c.S3.Region = "eu-west-7" }, storage.ErrDenied, []string{"AuthorizationHeaderMalformed", "us-east-1", "correct the region"}},
		{"missing bucket", func(c *storage.Config) { c.Location = "s3://no-such-bucket/x" }, storage.ErrNoBucket, []string{"no-such-bucket", "create bucket no-such-bucket"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := server.Config("x")
			test.change(&c)
			for name, err := range everyOperation(t, open(t, c)) {
				want(t, err, test.want)
				says(t, err, append(test.says, name)...)
				if text := fmt.Sprintf("%v %+v", err, c.S3); strings.Contains(text, canary) {
					t.Errorf("secret in %s", text)
				}
				t.Log(err)
			}
		})
	}
}

// everyOperation does each operation on an absent object and gives the errors, by the word that they begin with.
func everyOperation(t *testing.T, s storage.Store) map[string]error {
	t.Helper()
	_, getErr := s.Get(t.Context(), "object", 0, -1)
	_, statErr := s.Stat(t.Context(), "object")
	var listErr error
	for _, err := range s.List(t.Context(), "obj") {
		listErr = err
	}
	return map[string]error{
		`get "object"`: getErr, `stat "object"`: statErr, `list "obj"`: listErr,
		`put "object"`:   storage.WriteAll(t.Context(), s, "object", nil, storage.IfAbsent),
		`delete "object`: s.Delete(t.Context(), "object"),
		`copy "object"`:  s.Copy(t.Context(), "object", "to"),
	}
}

// What versitygw does not answer, made by a proxy.
func TestS3AnswersOfOtherServersAreTold(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	tests := []struct {
		status int
		code   string
		want   error
		says   string
	}{
		{400, "ExpiredToken", storage.ErrDenied, "has expired"},
		{403, "InvalidTokenId", storage.ErrDenied, "session token"},
		{403, "RequestTimeTooSkewed", storage.ErrDenied, "clocks of this machine and of the server"},
		{301, "PermanentRedirect", storage.ErrInvalid, "bucket starkeep-test is in another region"},
		{307, "TemporaryRedirect", storage.ErrInvalid, "another region"},
		{400, "IllegalLocationConstraintException", storage.ErrInvalid, "another region"},
		{400, "AuthorizationHeaderMalformed", storage.ErrDenied, "access key is not of the form"},
		{403, "AccessDenied", storage.ErrDenied, "the credentials need s3:"},
		{403, "AllAccessDisabled", storage.ErrDenied, "made by the test"},
	}
	for _, test := range tests {
		t.Run(test.code, func(t *testing.T) {
			t.Parallel()
			proxy := storagetest.NewProxy(t, server.Endpoint)
			proxy.Inject(func(*http.Request) storagetest.Fault { return storagetest.Fault{Status: test.status, Code: test.code} })
			c := server.Config("x")
			c.S3.Endpoint = proxy.Endpoint
			for name, err := range everyOperation(t, open(t, c)) {
				want(t, err, test.want)
				says(t, err, name, test.code, test.says)
				t.Log(err)
			}
		})
	}
}

// Google has other names for the rights, also where it is spoken to as S3.
func TestGCSByHMACNamesTheRightAsGoogleDoes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>Access denied.</Message></Error>"))
	}))
	defer server.Close()
	s := open(t, storage.Config{Location: "gs://bucket/x", GCS: storage.GCS{Endpoint: server.URL, AccessKey: "GOOG1E", SecretKey: canary}})
	_, err := s.Stat(t.Context(), "object")
	want(t, err, storage.ErrDenied)
	says(t, err, "Access denied.", "the HMAC key's account needs storage.objects.get on gs://bucket")
}
