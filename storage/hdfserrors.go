package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/colinmarc/hdfs/v2"
)

// Reasons of ours.
var (
	errTaken     = errors.New("another Put wrote it")
	errDirectory = errors.New("other objects' keys begin with this key and '/'")
	errBelow     = errors.New("the key is below another object's")
)

// Java's names, as the NameNode and DataNodes tell them.
const (
	javaAccess          = "org.apache.hadoop.security.AccessControlException"
	javaStandby         = "org.apache.hadoop.ipc.StandbyException"
	javaRetriable       = "org.apache.hadoop.ipc.RetriableException"
	javaNotFound        = "java.io.FileNotFoundException"
	javaParentIsFile    = "org.apache.hadoop.fs.ParentNotDirectoryException"
	javaNotADirectory   = "org.apache.hadoop.fs.PathIsNotDirectoryException"
	javaInvalidPath     = "org.apache.hadoop.fs.InvalidPathException"
	javaIllegalArgument = "org.apache.hadoop.HadoopIllegalArgumentException"
)

// fail makes the Error of a failed operation; nil stays nil. When the context ended, that is the reason.
func (s *hdfsStore) fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &Error{Op: op, Key: key, Err: ctx.Err()}
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	words, kind := hdfsKind(err)
	return &Error{Op: op, Key: key, Kind: kind, Err: &hdfsError{err: err, advice: s.advice(words)}}
}

// hdfsError is an error of the library with the server's own words, which the library's text leaves out, and with what to
// do about it.
type hdfsError struct {
	err    error
	advice string
}

func (e *hdfsError) Unwrap() error { return e.err }

func (e *hdfsError) Error() string {
	text := e.err.Error()
	var remote hdfs.Error
	if errors.As(e.err, &remote) {
		words, _, _ := strings.Cut(remote.Message(), "\n")
		text = fmt.Sprintf("%s: %s: %s", remote.Method(), shortJava(remote.Exception()), words)
	}
	if e.advice != "" {
		text += " (" + e.advice + ")"
	}
	return text
}

func shortJava(class string) string { return class[strings.LastIndexAny(class, ".$")+1:] }

// What an error asks its reader to do.
const (
	adviceDenied  = "HDFS user USER lacks this right: give it with `hdfs dfs -chown`, `-chmod` or `-setfacl`, or use another user"
	adviceSafe    = "wait until the NameNode has left safe mode: `hdfs dfsadmin -safemode get` tells, `-safemode leave` ends it"
	adviceQuota   = "prune, or raise it with `hdfs dfsadmin -setQuota` or `-setSpaceQuota`"
	adviceStandby = "asked NAMENODES: name all NameNodes of the nameservice, and see that one of them is active"
	adviceDown    = "asked NAMENODES: are they up, and is that the RPC port, usually 8020 or 9000?"
	adviceData    = "if the DataNodes' dfs.data.transfer.protection is integrity, or privacy without AES in " +
		"dfs.encrypt.data.transfer.cipher.suites: the client library cannot read such; set authentication, or AES"
	adviceRefused = "NAMENODES refuses the connection before the first call: does it ask for Kerberos?"
)

func (s *hdfsStore) advice(text string) string {
	who := s.options.User
	if s.login.Principal != "" {
		who = s.login.Principal
	} else if text == adviceData {
		return ""
	}
	return strings.NewReplacer("USER", strconv.Quote(who), "NAMENODES", strings.Join(s.nameNodes(), ", ")).Replace(text)
}

// hdfsKind classifies an error of the library. nil means that none of the sentinels fits.
//
// A quota is ErrDenied, although deletes could make room: it is an administrator's word that does not change by waiting,
// and an error that names it at once is worth more than one after hours of retries. Safe mode and standby are
// ErrUnavailable: a cluster that starts or changes over is in one of them for a while.
func hdfsKind(err error) (advice string, kind error) {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remoteKind(remote)
	}
	text := err.Error()
	switch {
	case errors.Is(err, errRoot):
		return "", ErrNoBucket
	case errors.Is(err, errLogin):
		return "", ErrDenied
	case errors.Is(err, errTaken):
		return "", ErrExists
	case errors.Is(err, errDirectory), errors.Is(err, errBelow), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrInvalid):
		return "", ErrInvalid
	case errors.Is(err, fs.ErrPermission):
		return adviceDenied, ErrDenied
	case errors.Is(err, fs.ErrExist):
		return "", ErrExists
	case errors.Is(err, fs.ErrNotExist):
		return "", ErrNotFound
	case strings.Contains(text, javaStandby):
		return adviceStandby, ErrUnavailable
	case strings.Contains(text, "unexpected sequence number"): // the library's words for an answer to no call
		return adviceRefused, ErrDenied
	case strings.Contains(text, "SASL handshake") && !isNetworkText(text):
		return "", ErrDenied
	case errors.Is(err, hdfs.ErrReplicating):
		return "", ErrUnavailable
	case isNameNodeError(err):
		return adviceDown, ErrUnavailable
	}
	return adviceData, ErrUnavailable
}

// isNetworkText knows a broken connection in an error that the library has made a text of.
func isNetworkText(text string) bool {
	for _, words := range []string{"EOF", "connection re", "broken pipe", "timeout", "closed network connection", "ommunicat"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

func remoteKind(remote hdfs.Error) (advice string, kind error) {
	switch class := remote.Exception(); {
	case class == javaAccess:
		return adviceDenied, ErrDenied
	case strings.HasSuffix(class, ".AuthorizationException"), strings.HasSuffix(class, "$InvalidToken"):
		return "", ErrDenied
	case strings.HasSuffix(class, "SafeModeException"), strings.Contains(remote.Message(), "in safe mode"):
		return adviceSafe, ErrUnavailable
	case class == javaStandby:
		return adviceStandby, ErrUnavailable
	case strings.Contains(class, "QuotaExceededException"), strings.Contains(class, "QuotaByStorageTypeExceededException"):
		return adviceQuota, ErrDenied
	case strings.HasSuffix(class, "$MaxDirectoryItemsExceededException"):
		return "", ErrDenied
	case class == javaInvalidPath, class == javaIllegalArgument, class == javaParentIsFile, class == javaNotADirectory,
		strings.HasSuffix(class, "$PathComponentTooLongException"):
		return "", ErrInvalid
	case class == javaNotFound:
		return "", ErrNotFound
	}
	return "", ErrUnavailable
}

// isUnanswered tells errors after which a call's effect is not known, or another NameNode is to be asked.
func isUnanswered(err error) bool {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remote.Exception() == javaStandby || remote.Exception() == javaRetriable
	}
	for _, answer := range []error{fs.ErrPermission, fs.ErrExist, fs.ErrNotExist, fs.ErrInvalid, syscall.ENOTEMPTY, hdfs.ErrReplicating} {
		if errors.Is(err, answer) {
			return false
		}
	}
	return err != nil
}

// isNameNodeError tells a failed call from a failure of a DataNode, which the library does not wrap.
func isNameNodeError(err error) bool {
	var call *fs.PathError
	return strings.Contains(err.Error(), "no available namenodes") || errors.As(err, &call)
}

// isGone tells that there is no such file. A path below a file is no path.
func isGone(err error) bool {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remote.Exception() == javaNotFound || remote.Exception() == javaParentIsFile
	}
	return errors.Is(err, fs.ErrNotExist)
}

func isNotEmpty(err error) bool { return errors.Is(err, syscall.ENOTEMPTY) }

// isPlainIO tells a refusal for which the NameNode has no class of its own.
func isPlainIO(err error) bool {
	var remote hdfs.Error
	return errors.As(err, &remote) && remote.Exception() == "java.io.IOException"
}

// isForbidden tells a missing permission.
func isForbidden(err error) bool {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remote.Exception() == javaAccess
	}
	return errors.Is(err, fs.ErrPermission)
}

// isFileInWay tells that a directory cannot be made, or entered, because a file stands in its way.
func isFileInWay(err error) bool {
	var remote hdfs.Error
	if errors.As(err, &remote) {
		return remote.Exception() == javaParentIsFile
	}
	return errors.Is(err, fs.ErrExist)
}
