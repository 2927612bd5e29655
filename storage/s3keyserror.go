package storage

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
)

var errEmptyKeys = errors.New("it answers with an empty access key")

// keysError tells why there are no keys to sign a request with.
type keysError struct {
	source keySource
	err    error
}

func (e *keysError) Unwrap() error { return e.err }

func (e *keysError) Error() string {
	text := fmt.Sprintf("no credentials from %s: %s", e.source, strings.TrimPrefix(shortText(e.err), "failed to refresh cached credentials, "))
	if fix := e.fix(); fix != "" {
		text += "; " + fix
	}
	return text
}

// base is the error of the keys that a role was to be assumed with, if it was them that failed.
func (e *keysError) base() *keysError {
	var inner *keysError
	errors.As(e.err, &inner)
	return inner
}

// kind sorts what will not pass by itself (no role, no metadata service, a refusal: ErrDenied) from what may (no answer in
// time, STS out of reach: ErrUnavailable).
func (e *keysError) kind() error {
	if inner := e.base(); inner != nil {
		return inner.kind()
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(e.err, &certificate) {
		return ErrInvalid
	}
	if kind := e.answerKind(); kind != nil {
		return kind
	}
	var network net.Error
	if !errors.As(e.err, &network) {
		return ErrDenied // disabled, nothing found, an answer that is none
	}
	if e.absent(network) {
		return ErrDenied
	}
	return ErrUnavailable
}

// answerKind is what the code and status of an answer mean; nil if there was none.
func (e *keysError) answerKind() error {
	if isCode(e.err, "ValidationError", "InvalidParameterValue", "MalformedPolicyDocument", "PackedPolicyTooLarge") {
		return ErrInvalid
	}
	var api smithy.APIError
	if errors.As(e.err, &api) {
		if kind := kindOfCode(api.ErrorCode()); kind == ErrDenied || kind == ErrThrottled || kind == ErrUnavailable {
			return kind
		}
	}
	switch kind := kindOfStatus(e.status()); kind {
	case ErrThrottled, ErrUnavailable:
		return kind
	}
	if e.status() != 0 {
		return ErrDenied
	}
	return nil
}

func (e *keysError) status() int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(e.err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// absent tells whether a failed connection means that this machine has no metadata service. The default chain asks for it
// last and by guess: where nothing answers there, there are no credentials.
func (e *keysError) absent(network net.Error) bool {
	if e.source != fromMachine && e.source != fromChain {
		return false
	}
	if network.Timeout() {
		var dial *net.OpError
		return e.source == fromChain && errors.As(e.err, &dial) && dial.Op == "dial"
	}
	return errors.Is(e.err, syscall.ECONNREFUSED) || errors.Is(e.err, syscall.EHOSTUNREACH) || errors.Is(e.err, syscall.ENETUNREACH)
}

// fix is what the operator can do.
func (e *keysError) fix() string {
	if e.base() != nil {
		return "" // said already
	}
	switch {
	case e.source == fromProfile:
		return ""
	case e.source == fromMachine:
		return e.fixMachine()
	case e.source == fromChain:
		return "give an access key, the instance profile or a role, or set what the default chain reads"
	}
	return e.fixRole()
}

func (e *keysError) fixMachine() string {
	var network net.Error
	errors.As(e.err, &network)
	switch {
	case codeOf(e.err) != "":
		return "see the role of the instance profile: its trust policy must allow ec2.amazonaws.com"
	case strings.Contains(e.err.Error(), "access disabled to EC2 IMDS"):
		return "AWS_EC2_METADATA_DISABLED is set for the worker: unset it, or give an access key"
	case e.status() == http.StatusNotFound:
		return "no role is attached to this machine: attach an instance profile, or give an access key"
	case e.status() == http.StatusUnauthorized, e.status() == http.StatusForbidden:
		return "the metadata service refuses IMDSv2 to this process: see the instance's metadata options"
	case network != nil && network.Timeout():
		return "the metadata service does not answer in time: in a container its hop limit must be 2 or more " +
			"(aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2)"
	case network != nil:
		return "this machine has no instance metadata service: give an access key, or run the worker on a machine with an instance profile"
	}
	return ""
}

func (e *keysError) fixRole() string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(e.err, &certificate):
		return "give the CA file of STS"
	case isCode(e.err, "RequestTimeTooSkewed", "RequestExpired"):
		return fixClock
	case isCode(e.err, "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "InvalidTokenId", "InvalidToken"):
		return "STS refuses the keys that the role is to be assumed with: " + advices[codeOf(e.err)]
	case isCode(e.err, "RegionDisabledException"):
		return "activate STS in this region, or set the role's endpoint"
	case e.kind() == ErrDenied:
		return "check the role's ARN, that its trust policy names these credentials and the external id that is given, and that they may do sts:AssumeRole"
	case e.kind() == ErrInvalid:
		return "correct the role's ARN, external id or session name"
	case e.kind() == ErrUnavailable && e.status() == 0:
		return "STS cannot be reached: check the network, or set the role's endpoint"
	}
	return ""
}
