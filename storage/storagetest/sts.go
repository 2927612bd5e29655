package storagetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// RoleRule is a role that StartSTS lets be assumed.
type RoleRule struct {
	ARN        string
	ExternalID string   // "" : none is needed, as in AWS one that is sent all the same does no harm
	Principals []string // access keys that may assume it; empty: the server's own
}

// STS is a security token service that lets a role be assumed by whom its trust policy names. It is this package's own: it
// reads the caller's access key and does not check the signature. What it hands out are keys of the server, with an empty
// session token, since versitygw takes none, unless one is set.
type STS struct {
	Endpoint string
	CAFile   string // of StartSTSTLS

	mu       sync.Mutex
	rule     RoleRule
	keys     Server
	session  string
	lifetime time.Duration
	fail     func(http.ResponseWriter, *http.Request) bool
	sessions []string
}

// StartSTS starts the service for the length of a test. Rotate gives the role keys of its own.
func StartSTS(t testing.TB, server Server, rule RoleRule) *STS {
	t.Helper()
	s := newSTS(server, rule)
	service := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(service.Close)
	s.Endpoint = service.URL
	return s
}

// StartSTSTLS is StartSTS over https; a client must trust CAFile.
func StartSTSTLS(t testing.TB, server Server, rule RoleRule) *STS {
	t.Helper()
	s := newSTS(server, rule)
	service := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	certificate, key := writeCertificate(t)
	service.TLS = loadCertificate(t, certificate, key)
	service.StartTLS()
	t.Cleanup(service.Close)
	s.Endpoint, s.CAFile = service.URL, certificate
	return s
}

func newSTS(server Server, rule RoleRule) *STS {
	if len(rule.Principals) == 0 {
		rule.Principals = []string{server.AccessKey}
	}
	return &STS{keys: server, rule: rule, lifetime: time.Hour}
}

// Rotate hands out other keys from now on.
func (s *STS) Rotate(keys Server, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.session = keys, session
}

// Trust replaces what the role's trust policy says.
func (s *STS) Trust(rule RoleRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rule = rule
}

// Expire says how long keys are valid that are handed out from now on.
func (s *STS) Expire(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = lifetime
}

// Fail lets a function answer, or not, before the service does; nil stops that. It tells whether it has answered.
func (s *STS) Fail(fail func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

// Sessions are the session names of all that assumed the role, in order.
func (s *STS) Sessions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sessions)
}

func (s *STS) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil && fail(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	caller := signedBy(r)
	switch {
	case r.FormValue("Action") != "AssumeRole":
		stsError(w, http.StatusBadRequest, "InvalidAction", "Could not find operation "+r.FormValue("Action"))
	case caller == "":
		stsError(w, http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	case r.FormValue("RoleSessionName") == "":
		stsError(w, http.StatusBadRequest, "ValidationError", "Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null")
	case r.FormValue("RoleArn") != s.rule.ARN, !slices.Contains(s.rule.Principals, caller),
		s.rule.ExternalID != "" && r.FormValue("ExternalId") != s.rule.ExternalID:
		stsError(w, http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: arn:aws:iam::123456789012:user/%s is not authorized to perform: sts:AssumeRole on resource: %s",
			caller, r.FormValue("RoleArn")))
	default:
		s.sessions = append(s.sessions, r.FormValue("RoleSessionName"))
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId>`+
			`<SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult>`+
			`<ResponseMetadata><RequestId>test</RequestId></ResponseMetadata></AssumeRoleResponse>`,
			s.keys.AccessKey, s.keys.SecretKey, s.session, time.Now().Add(s.lifetime).UTC().Format(time.RFC3339))
	}
}

// signedBy is the access key in a request's Authorization header.
func signedBy(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	return key
}

func stsError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>`+
		`<RequestId>test</RequestId></ErrorResponse>`, code, message)
}
