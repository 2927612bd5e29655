package activities

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// storeTrouble is what keeps somebody from a repository's objects, as far as the words tell.
type storeTrouble int

const (
	troubleOther       storeTrouble = iota
	troubleDenied                   // the credentials are known and lack a permission
	troubleCredentials              // unknown, wrong or expired
	troubleForbidden                // one of the two: the words do not say which
	troubleRegion                   //
	troubleBucket                   // it does not exist
	troubleUnreachable              // the store cannot be reached from there
)

// troubleWords are matched in their order. They come from AWS' and hadoop's libraries, by way of StarRocks.
var troubleWords = []struct {
	is    storeTrouble
	words *regexp.Regexp
}{
	{troubleCredentials, regexp.MustCompile(`SignatureDoesNotMatch|InvalidAccessKeyId|InvalidToken|ExpiredToken|NoAuthWithAWS|No AWS Credentials|InvalidClientTokenId|security token|XAdminUserNotFound|invalid_grant|Unauthenticated|Invalid Credentials|HTTP 401|Unable to load credentials`)},
	// S3A asks with HEAD, whose answer has a status and no words: 400 and 301 are the region's, with keys that do not expire.
	{troubleRegion, regexp.MustCompile(`AuthorizationHeaderMalformed|PermanentRedirect|IllegalLocationConstraint|the region .* is wrong|Status Code: (400|301)\b|AWSRedirect`)},
	{troubleBucket, regexp.MustCompile(`NoSuchBucket|bucket does not exist|bucket or directory of the location not found`)},
	{troubleDenied, regexp.MustCompile(`AccessDenied|Access Denied|access denied by the store|not authorized to perform|AccessControlException|[Pp]ermission denied|does not have storage\.`)},
	{troubleForbidden, regexp.MustCompile(`Forbidden|Status Code: 403|HTTP 403|respcode=403`)},
	{troubleUnreachable, regexp.MustCompile(`(?i)connection refused|connection reset|connection timed out|UnknownHost|no such host|could not resolve|unable to connect|no route to host|network is unreachable|i/o timeout|timeout was reached|curlCode|connect timed out|no available namenodes|store unavailable|no answer within`)},
}

func troubleOf(text string) storeTrouble {
	for _, t := range troubleWords {
		if t.words.MatchString(text) {
			return t.is
		}
	}
	return troubleOther
}

// kind is the error type that a storeTrouble is reported as.
func (t storeTrouble) kind() string {
	switch t {
	case troubleDenied, troubleCredentials, troubleForbidden:
		return spec.ErrorAuthDenied
	case troubleBucket:
		return spec.ErrorRepositoryMissing
	case troubleUnreachable:
		return spec.ErrorStorageUnavailable
	case troubleRegion:
		return spec.ErrorInvalidSpec
	}
	return spec.ErrorJobFailed
}

// Place is a repository on a cluster, as far as the rows of a check speak of it. It holds no secret.
type Place struct {
	Cluster    string `json:"cluster"`    // profile
	Repository string `json:"repository"` // profile
	Native     string `json:"native"`
	Location   string `json:"location"` // as StarRocks knows it
	Kind       Kind   `json:"kind"`
	Mirror     bool   `json:"mirror,omitempty"` // it is a mirror's, not a repository's
}

func placeOf(c *Cluster, r *Repository) Place {
	return Place{Cluster: c.Name, Repository: r.Name, Native: r.Native, Location: r.Location, Kind: r.Kind}
}

// kindOf falls back on the location's scheme.
func (p Place) kindOf() Kind {
	if p.Kind != "" {
		return p.Kind
	}
	switch scheme, _, _ := strings.Cut(p.Location, "://"); scheme {
	case "s3", "s3a", "s3n":
		return KindS3
	case "gs":
		return KindGCS
	case "hdfs":
		return KindHDFS
	}
	return KindFile
}

// lacks makes the row of a right that is missing, out of what was said about it.
func (p Place) lacks(side, right, said string) spec.RightRow {
	t := troubleOf(said)
	return spec.RightRow{Side: side, Right: right, Type: t.kind(), Message: shortened(said), Fix: p.fix(side, right, t)}
}

// fix says which permission, property or step mends it.
func (p Place) fix(side, right string, t storeTrouble) string {
	switch t {
	case troubleDenied:
		return p.grant(side, right)
	case troubleForbidden:
		return p.grant(side, right) + "; or, if it has that, " + p.credentials(side)
	case troubleCredentials:
		return p.credentials(side)
	case troubleRegion:
		return "correct the region: " + p.key(side, "region") + p.anew(side)
	case troubleBucket:
		return "create the bucket or directory, or correct the location in profile " + p.Repository
	case troubleUnreachable:
		return "let " + who(side) + " reach the store: network, name service, firewall; the address is " + p.key(side, "endpoint") + p.anew(side)
	}
	return ""
}

// who names a side in a sentence.
func who(side string) string {
	if side == spec.SideBE {
		return "this BE"
	}
	return "the " + side
}

// grant names the permission of the right in the provider's words.
func (p Place) grant(side, right string) string {
	user := "the worker's user"
	purpose := "backup --for restore"
	switch {
	case p.Mirror:
		purpose = spec.PolicyMirror
	case side != spec.SideWorker:
		user, purpose = "StarRocks' user", spec.PolicyStarRocks
	}
	switch p.kindOf() {
	case KindS3, KindGCS:
		permission, on := p.permission(right)
		text := fmt.Sprintf("give %s %s on %s (starkeep repo policy %s --for %s prints all it needs)", user, permission, on, p.Repository, purpose)
		if side == spec.SideWorker && right == spec.RightDelete {
			text += "; prune and repo check delete anywhere below the location, a restore only what it has put beside a snapshot itself, a backup nothing"
		}
		return text
	case KindHDFS:
		return fmt.Sprintf("let %s read and write there (starkeep repo policy %s --for %s prints the commands)", user, p.Repository, purpose)
	}
	return "let the user that runs " + who(side) + " read and write the directory"
}

// permission is what the right is called at the provider, and on what it is given.
func (p Place) permission(right string) (permission, on string) {
	at := locationParts(p.Location)
	if p.kindOf() == KindGCS {
		name := map[string]string{
			spec.RightList: "storage.objects.list", spec.RightRead: "storage.objects.get", spec.RightWrite: "storage.objects.create and storage.objects.delete",
			spec.RightCopy: "storage.objects.get and storage.objects.create", spec.RightDelete: "storage.objects.delete",
		}[right]
		return name, "gs://" + at.bucket
	}
	name := map[string]string{
		spec.RightList: "s3:ListBucket", spec.RightRead: "s3:GetObject", spec.RightWrite: "s3:PutObject",
		spec.RightCopy: "s3:GetObject and s3:PutObject", spec.RightDelete: "s3:DeleteObject",
	}[right]
	if right == spec.RightList {
		return name, "arn:aws:s3:::" + at.bucket
	}
	return name, "arn:aws:s3:::" + at.objects()
}

// credentials says where the side's credentials come from.
func (p Place) credentials(side string) string {
	if side == spec.SideWorker {
		return "correct the credentials of the worker: " + p.key(side, "credentials")
	}
	return "correct the credentials of StarRocks: " + p.key(side, "credentials") + p.anew(side)
}

// key names what in the profile sets a property of the side.
func (p Place) key(side, what string) string {
	section := map[Kind]string{KindS3: "s3", KindGCS: "gcs", KindHDFS: "hdfs"}[p.kindOf()]
	key := map[string]string{
		"s3 region": "region", "s3 endpoint": "endpoint", "s3 credentials": "accessKey and secretKey, instanceProfile or role",
		"gcs region": "endpoint", "gcs endpoint": "endpoint", "gcs credentials": "serviceAccountFile, or accessKey and secretKey",
		"hdfs region": "location", "hdfs endpoint": "location and nameNodes", "hdfs credentials": "user",
	}[section+" "+what]
	if section == "" {
		return "location in profile " + p.Repository
	}
	if side == spec.SideWorker {
		return fmt.Sprintf("%s.%s in profile %s", section, key, p.Repository)
	}
	return fmt.Sprintf("%s.%s in profile %s, or what its section starrocks says instead", section, key, p.Repository)
}

// anew: StarRocks keeps the properties of CREATE REPOSITORY for good.
func (p Place) anew(side string) string {
	if side == spec.SideWorker {
		return ""
	}
	return fmt.Sprintf("; then starkeep repo drop %[1]s --cluster %[2]s and starkeep repo create %[1]s --cluster %[2]s: StarRocks keeps the properties that a repository was created with (its objects stay)", p.Repository, p.Cluster)
}

var missingPrivilege = regexp.MustCompile(`\bthe ([A-Z][A-Z ]*) privilege\(s\) on (SYSTEM|CATALOG|DATABASE|TABLE)`)

// lacksPrivilege makes the row of an FE's refusal or failure that is no matter of the store.
func (p Place) lacksPrivilege(right, said string) spec.RightRow {
	row := spec.RightRow{Side: spec.SideFE, Right: right, Type: spec.ErrorJobFailed, Message: shortened(said)}
	found := missingPrivilege.FindStringSubmatch(said)
	if found == nil {
		return row
	}
	on := map[string]string{"SYSTEM": "SYSTEM", "CATALOG": "CATALOG default_catalog", "DATABASE": "ALL DATABASES", "TABLE": "ALL TABLES IN ALL DATABASES"}[found[2]]
	row.Type = spec.ErrorAuthDenied
	row.Fix = fmt.Sprintf("GRANT %s ON %s TO USER the user of cluster profile %s; docs/privileges.md lists all that it needs", found[1], on, p.Cluster)
	return row
}

// asked makes the row of an FE's answer to something that needs no store: nil is the right.
func (p Place) asked(right string, err error, message string) spec.RightRow {
	if err == nil {
		return spec.RightRow{Side: spec.SideFE, Right: right, OK: true, Message: message}
	}
	row := p.lacksPrivilege(right, err.Error())
	switch f := failureOf(err); {
	case f == nil:
	case errors.Is(err, starrocks.ErrRepositoryMissing), f.Type == spec.ErrorRepositoryMissing:
		row.Type = f.Type
		row.Fix = fmt.Sprintf("starkeep repo create %s --cluster %s", p.Repository, p.Cluster)
	default:
		row.Type = f.Type
		if errors.Is(err, starrocks.ErrAuth) {
			row.Fix = "correct user and password in cluster profile " + p.Cluster
		}
	}
	return row
}

// failureOf types an error as an activity would.
func failureOf(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return classify(err)
}

// tried makes the row of something that the worker has tried with the store.
func (p Place) tried(right string, err error) spec.RightRow {
	if err == nil {
		return spec.RightRow{Side: spec.SideWorker, Right: right, OK: true}
	}
	row := p.lacks(spec.SideWorker, right, err.Error())
	switch {
	case errors.Is(err, storage.ErrDenied) && row.Type != spec.ErrorAuthDenied:
		row.Type, row.Fix = spec.ErrorAuthDenied, p.fix(spec.SideWorker, right, troubleForbidden)
	case errors.Is(err, storage.ErrNoBucket) && row.Type != spec.ErrorRepositoryMissing:
		row.Type, row.Fix = spec.ErrorRepositoryMissing, p.fix(spec.SideWorker, right, troubleBucket)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, storage.ErrUnavailable):
		row.Type, row.Fix = spec.ErrorStorageUnavailable, p.fix(spec.SideWorker, right, troubleUnreachable)
	}
	return row
}

// parts of a location in an object store.
type parts struct{ bucket, prefix string }

func locationParts(location string) parts {
	_, rest, _ := strings.Cut(location, "://")
	bucket, prefix, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	return parts{bucket, prefix}
}

// objects is "bucket/prefix/*".
func (p parts) objects(below ...string) string {
	path := append([]string{p.bucket}, p.prefix)
	if p.prefix == "" {
		path = path[:1]
	}
	if len(below) == 0 {
		below = []string{"*"}
	}
	return strings.Join(append(path, below...), "/")
}
