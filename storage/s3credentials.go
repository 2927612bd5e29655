package storage

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	defaultSession = "starkeep"
	roleLifetime   = time.Hour        // of an assumed role's keys: the longest that every role allows, also one assumed by a role
	roleAnswer     = 15 * time.Second // of STS, to one request
	renewAhead     = 5 * time.Minute  // keys are replaced this long before they expire
)

// keySource says where keys come from, in words for people.
type keySource string

const (
	fromProfile keySource = "the access key that was given"
	fromMachine keySource = "the instance profile"
	fromChain   keySource = "the default chain (environment, shared files, web identity, container, instance profile)"
	fromRole    keySource = "role " // and its ARN
)

// s3Keys hands out the keys that requests are signed with. They are kept until shortly before they expire, or until a
// server refuses them.
type s3Keys struct {
	source keySource
	cache  *aws.CredentialsCache
	scrub  *scrubber     // learns every secret that is handed out
	turn   chan struct{} // holds one element: whose turn it is to renew
}

func newS3Keys(source keySource, cache *aws.CredentialsCache, scrub *scrubber) *s3Keys {
	return &s3Keys{source: source, cache: cache, scrub: scrub, turn: make(chan struct{}, 1)}
}

// Retrieve gives the keys to use now. Its errors are *keysError.
func (k *s3Keys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := k.cache.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &keysError{source: k.source, err: err}
	}
	if !keys.HasKeys() {
		return aws.Credentials{}, &keysError{source: k.source, err: errEmptyKeys}
	}
	k.scrub.hide(keys.SecretAccessKey, keys.SessionToken)
	return keys, nil
}

// renew forgets keys that a server refused and tells whether there are other ones now. However many requests were refused
// the same keys, new ones are fetched once.
func (k *s3Keys) renew(ctx context.Context, refused aws.Credentials) (bool, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	now, err := k.Retrieve(ctx)
	if err == nil && sameKeys(now, refused) {
		k.cache.Invalidate()
		now, err = k.Retrieve(ctx)
	}
	return err == nil && !sameKeys(now, refused), err
}

func sameKeys(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}

// renewing makes a client's operation ask once for new keys when the server refuses the old ones, and then do the same
// request again. The SDK's cache would hold on to them until they expire by its own clock: a role's keys can end earlier
// (rotated, revoked, clocks that differ), in the middle of a transfer.
func (k *s3Keys) renewing(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("RenewRefusedKeys", k.handle), middleware.Before)
}

func (k *s3Keys) handle(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	used, err := k.Retrieve(ctx)
	if err != nil { // not for the client's retries: the source has had its own
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	out, metadata, err := next.HandleFinalize(ctx, in)
	if !isCode(err, refusedKeys...) {
		return out, metadata, err
	}
	request, ok := in.Request.(*smithyhttp.Request)
	if !ok || request.RewindStream() != nil {
		return out, metadata, err
	}
	renewed, renewErr := k.renew(ctx, used)
	switch {
	case renewErr != nil:
		return out, metadata, renewErr
	case !renewed:
		return out, metadata, err
	}
	return next.HandleFinalize(ctx, in)
}

// checkS3Keys refuses settings that contradict each other or that STS would refuse whatever the role.
func checkS3Keys(c S3) error {
	keys, role := c.AccessKey != "" || c.SecretKey != "", c.Role != Role{}
	switch {
	case (c.AccessKey == "") != (c.SecretKey == ""):
		return openError("access key and secret key must be given together, or neither of them")
	case keys && c.InstanceProfile:
		return openError("an access key and the instance profile cannot be used together; leave one of them out")
	case !keys && c.SessionToken != "":
		return openError("a session token needs the access key and secret key that it was made for")
	case role && c.Role.ARN == "":
		return openError("external id, session name and endpoint of a role need the role's ARN")
	case role && !strings.HasPrefix(c.Role.ARN, "arn:"):
		return openError("role %q is not an ARN, as in arn:aws:iam::123456789012:role/backup", c.Role.ARN)
	case c.Role.SessionName != "" && !sessionName.MatchString(c.Role.SessionName):
		return openError("session name of the role must be 2 to 64 letters, digits and _+=,.@-")
	case c.Role.ExternalID != "" && (len(c.Role.ExternalID) > 1224 || !externalID.MatchString(c.Role.ExternalID)):
		return openError("external id of the role must be 2 to 1224 letters, digits and _+=,.@:/-")
	}
	return checkEndpoint("STS endpoint", c.Role.Endpoint)
}

// What AWS's AssumeRole takes.
var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

func checkEndpoint(name, text string) error {
	if text == "" {
		return nil
	}
	endpoint, err := url.Parse(text)
	switch {
	case err != nil: // its text repeats the endpoint, which may hold a password
		return openError("%s is not a URL", name)
	case endpoint.User != nil:
		return openError("%s must not hold a user or password", name)
	case endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "":
		return openError("%s %q must be http://host:port or https://host:port", name, endpoint.Redacted())
	case endpoint.RawQuery != "" || endpoint.Fragment != "":
		return openError("%s must not hold a query or fragment", name)
	}
	return nil
}

// s3Config is region and keys. Static keys and the instance profile are taken without a look at the environment or files
// (the metadata service's address apart); else the default chain counts.
func s3Config(ctx context.Context, c S3, client *http.Client, scrub *scrubber) (aws.Config, *s3Keys, error) {
	shared, keys, err := ownConfig(ctx, c, scrub)
	if err != nil {
		return aws.Config{}, nil, err
	}
	if shared.Region == "" {
		shared.Region = "us-east-1"
	}
	if c.Role.ARN != "" {
		keys = assumedRole(c.Role, shared.Region, client, keys)
	}
	shared.Credentials = keys
	return shared, keys, nil
}

// ownConfig is region and keys before any role is assumed.
func ownConfig(ctx context.Context, c S3, scrub *scrubber) (aws.Config, *s3Keys, error) {
	switch {
	case c.AccessKey != "":
		static := credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, c.SessionToken)
		return aws.Config{Region: c.Region}, newS3Keys(fromProfile, aws.NewCredentialsCache(static), scrub), nil
	case c.InstanceProfile:
		return aws.Config{Region: c.Region}, newS3Keys(fromMachine, aws.NewCredentialsCache(newMetadataKeys(), renewEarly), scrub), nil
	}
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{}), config.WithCredentialsCacheOptions(renewEarly)}
	if c.Region != "" {
		options = append(options, config.WithRegion(c.Region))
	}
	shared, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, nil, openError("AWS default configuration: %w", err)
	}
	cache, ok := shared.Credentials.(*aws.CredentialsCache)
	if !ok {
		cache = aws.NewCredentialsCache(shared.Credentials, renewEarly)
	}
	return shared, newS3Keys(fromChain, cache, scrub), nil
}

func renewEarly(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewAhead }

// assumedRole trades keys for those of a role, over the store's own connections (CA file, proxy).
func assumedRole(role Role, region string, client *http.Client, base *s3Keys) *s3Keys {
	own := *client
	own.Timeout = roleAnswer
	service := sts.New(sts.Options{
		Region: region, Credentials: base, HTTPClient: &own, Retryer: newRetryer(), Logger: logging.Nop{},
		APIOptions: []func(*middleware.Stack) error{base.renewing},
	}, func(o *sts.Options) {
		if role.Endpoint != "" {
			o.BaseEndpoint = aws.String(role.Endpoint)
		}
	})
	provider := stscreds.NewAssumeRoleProvider(service, role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = defaultSession, roleLifetime
		if role.SessionName != "" {
			o.RoleSessionName = role.SessionName
		}
		if role.ExternalID != "" {
			o.ExternalID = aws.String(role.ExternalID)
		}
	})
	return newS3Keys(fromRole+keySource(role.ARN), aws.NewCredentialsCache(provider, renewEarly), base.scrub)
}
