package storage_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

// The keys of MinIO's AssumeRole carry a session token that it checks.
func TestMinIOKeepsTheContractWithSessionTokens(t *testing.T) {
	noEnvironment(t)
	server := storagetest.StartMinIO(t)
	n := 0
	storagetest.Contract(t, func(t *testing.T) storage.Store {
		n++
		return open(t, storagetest.Assumed(server, fmt.Sprint("whole/", n)))
	})

	t.Run("tokens are real", func(t *testing.T) { tokensAreReal(t, server) })
	t.Run("keys beside others are kept", func(t *testing.T) {
		s := open(t, server.Config("beside"))
		write(t, s, "a", []byte("upper"))
		write(t, s, "a/b", []byte("lower"))
		if got, err := storage.ReadAll(t.Context(), s, "a", 10); err != nil || string(got) != "upper" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("refusals", func(t *testing.T) { minioRefuses(t, server) })
	t.Run("what is deleted under an object lock is hidden and kept", func(t *testing.T) {
		locked := server.Locked(t)
		s := open(t, locked.Config("held"))
		write(t, s, "object", []byte("locked"))
		if err := s.Delete(t.Context(), "object"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Stat(t.Context(), "object")
		want(t, err, storage.ErrNotFound)
		want(t, err, storage.ErrHidden)
		if n := locked.Versions(t, "held/object"); n != 1 {
			t.Errorf("%d versions are kept", n)
		}
		if _, err := s.Stat(t.Context(), "never"); errors.Is(err, storage.ErrHidden) {
			t.Errorf("an object that never was: %v", err)
		}
	})
}

// tokensAreReal uses temporary keys as an instance profile hands them out, and then keys with a token that was tampered with.
func tokensAreReal(t *testing.T, server storagetest.Server) {
	service := sts.New(sts.Options{
		Region: server.Region, BaseEndpoint: &server.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, ""),
	})
	answer, err := service.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(roleARN), RoleSessionName: aws.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	temporary := server
	temporary.AccessKey, temporary.SecretKey = *answer.Credentials.AccessKeyId, *answer.Credentials.SecretAccessKey
	imds := storagetest.StartIMDS(t, temporary)
	imds.Rotate(temporary, *answer.Credentials.SessionToken)
	s := open(t, machine(server.Config("tokens")))
	brief(t, s)

	imds.Rotate(temporary, "x"+*answer.Credentials.SessionToken)
	s = open(t, machine(server.Config("tokens")))
	want(t, s.Delete(t.Context(), "object"), storage.ErrDenied)
	imds.Rotate(temporary, *answer.Credentials.SessionToken)
	if err := s.Delete(t.Context(), "object"); err != nil { // refused for each key, in an answer with status 200
		t.Errorf("after a rotation: %v", err)
	}

	c := temporary.Config("tokens")
	c.S3.SessionToken = *answer.Credentials.SessionToken
	brief(t, open(t, c))
	for name, token := range map[string]string{"no token": "", "tampered token": "x" + c.S3.SessionToken} {
		c.S3.SessionToken = token
		for operation, err := range everyOperation(t, open(t, c)) {
			want(t, err, storage.ErrDenied)
			says(t, err, operation, "InvalidTokenId", "the session token is not one of this server")
			t.Log(name, err)
		}
	}
}

func minioRefuses(t *testing.T, server storagetest.Server) {
	c := storagetest.Assumed(server, "x")
	c.S3.SecretKey = canary
	_, err := open(t, c).Stat(t.Context(), "object")
	want(t, err, storage.ErrDenied)
	says(t, err, "AssumeRole", "AccessDenied")
	c = server.Config("x")
	c.S3.SecretKey = canary
	for operation, err := range everyOperation(t, open(t, c)) {
		want(t, err, storage.ErrDenied)
		says(t, err, operation, "SignatureDoesNotMatch", "the secret key is not the one")
	}
	c = server.Config("x")
	c.Location = "s3://no-such-bucket/x"
	for operation, err := range everyOperation(t, open(t, c)) {
		want(t, err, storage.ErrNoBucket)
		says(t, err, operation, "create bucket no-such-bucket")
	}
}
