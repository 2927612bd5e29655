package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// IAMServer is a Server with an IAM service of its own: users hold policies as AWS knows them, every request is checked
// against them, and a key or policy that is taken away counts from the next request on. A refusal names the action, as AWS's
// does. Its roles cannot be assumed: see StartSTS.
type IAMServer struct {
	Server
	endpoint string // of the IAM API
}

// IAMUser is the server as one of its users sees it.
type IAMUser struct {
	Server
	iam  *IAMServer
	name string
}

// policyName is the one policy that a user has.
const policyName = "test"

// StartS3IAM starts versitygw and its IAM service for the length of a test. The Server's own key may do everything.
func StartS3IAM(t testing.TB) *IAMServer {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "iam.sock")
	service := &process{
		binary: findTool(t, "versitygw"), env: []string{"HOME=" + dir}, scheme: "http", ready: "/healthz",
		args: func(address string) []string {
			return []string{"--health", "/healthz", "--port", address, "--access", rootAccess, "--secret", rootSecret,
				"iam", "--dir", dir, "--private-ports", socket, "--quiet"}
		},
	}
	service.run(t)
	server := startGateway(t, "http", "--iam-standalone-endpoint", socket,
		"--iam-standalone-access", rootAccess, "--iam-standalone-secret", rootSecret)
	return &IAMServer{Server: server, endpoint: "http://" + service.address}
}

// User makes a user that may do what the policy (JSON) says; without a policy it may do nothing.
func (s *IAMServer) User(t testing.TB, name, policy string) IAMUser {
	t.Helper()
	s.call(t, "CreateUser", "UserName", name)
	user := IAMUser{Server: s.Server, iam: s, name: name}
	user.Rotate(t)
	if policy != "" {
		user.SetPolicy(t, policy)
	}
	return user
}

// SetPolicy replaces the user's policy.
func (u IAMUser) SetPolicy(t testing.TB, policy string) {
	t.Helper()
	u.iam.call(t, "PutUserPolicy", "UserName", u.name, "PolicyName", policyName, "PolicyDocument", policy)
}

// DeletePolicy takes all rights from the user.
func (u IAMUser) DeletePolicy(t testing.TB) {
	t.Helper()
	u.iam.call(t, "DeleteUserPolicy", "UserName", u.name, "PolicyName", policyName)
}

// Rotate gives the user a further key, which u has from then on; the old one stays valid until it is deactivated or deleted.
func (u *IAMUser) Rotate(t testing.TB) {
	t.Helper()
	var answer struct {
		AccessKey struct{ AccessKeyId, SecretAccessKey string } `xml:"CreateAccessKeyResult>AccessKey"`
	}
	if err := xml.Unmarshal(u.iam.call(t, "CreateAccessKey", "UserName", u.name), &answer); err != nil {
		t.Fatal(err)
	}
	u.AccessKey, u.SecretKey = answer.AccessKey.AccessKeyId, answer.AccessKey.SecretAccessKey
}

// Deactivate makes the user's key invalid; Activate takes that back.
func (u IAMUser) Deactivate(t testing.TB) { u.setKey(t, "Inactive") }

// Activate makes a deactivated key valid again.
func (u IAMUser) Activate(t testing.TB) { u.setKey(t, "Active") }

func (u IAMUser) setKey(t testing.TB, status string) {
	t.Helper()
	u.iam.call(t, "UpdateAccessKey", "UserName", u.name, "AccessKeyId", u.AccessKey, "Status", status)
}

// DeleteKey removes the user's key.
func (u IAMUser) DeleteKey(t testing.TB) {
	t.Helper()
	u.iam.call(t, "DeleteAccessKey", "UserName", u.name, "AccessKeyId", u.AccessKey)
}

// call does one action of the IAM API; parameters are names and values in turn.
func (s *IAMServer) call(t testing.TB, action string, parameters ...string) []byte {
	t.Helper()
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for i := 0; i < len(parameters); i += 2 {
		form.Set(parameters[i], parameters[i+1])
	}
	body := []byte(form.Encode())
	request, err := http.NewRequest(http.MethodPost, s.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256(body)
	root := aws.Credentials{AccessKeyID: rootAccess, SecretAccessKey: rootSecret}
	if err := v4.NewSigner().SignHTTP(context.Background(), root, request, hex.EncodeToString(sum[:]), "iam", region, time.Now()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: HTTP %d: %s %v", action, answer.StatusCode, text, err)
	}
	return text
}
