package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	msgraphcore "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/communications"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/rolecall/rolecall/internal/uc"
)

// client asks Graph. Every error that its methods return is a *failure.
type client struct {
	credential *credential
	adapter    *msgraphcore.GraphRequestAdapterBase
	presence   *communications.GetPresencesByUserIdRequestBuilder
	base       *url.URL
}

// answer is what Graph says of one account.
type answer struct {
	id, availability, activity, sequence string // id in lower case
}

func newClient(cfg *Config) (*client, error) {
	at, err := cfg.check()
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	credential, err := newCredential(cfg, at, entraClient(transport))
	if err != nil {
		return nil, err
	}
	auth, err := newBearer(credential, at)
	if err != nil {
		return nil, uc.FieldError(uc.ErrInvalid, "graphURL", "%v", err)
	}
	// Without the SDK's root package nobody registers serializers: they are given.
	adapter, err := msgraphcore.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(auth,
		msgraphcore.GraphClientOptions{}, jsonserialization.NewJsonParseNodeFactory(), jsonserialization.NewJsonSerializationWriterFactory(), graphClient(transport))
	if err != nil {
		return nil, err
	}
	adapter.SetBaseUrl(at.graph.String())
	return &client{
		credential: credential,
		adapter:    adapter,
		presence:   communications.NewGetPresencesByUserIdRequestBuilderInternal(map[string]string{"baseurl": at.graph.String()}, adapter),
		base:       at.graph,
	}, nil
}

// presences asks for at most maxIDs accounts. The answer may lack some of them.
func (c *client) presences(ctx context.Context, ids []string) ([]answer, error) {
	body := communications.NewGetPresencesByUserIdPostRequestBody()
	body.SetIds(ids)
	var list []answer
	err := c.call(ctx, func(ctx context.Context) error {
		result, err := c.presence.PostAsGetPresencesByUserIdPostResponse(ctx, body, nil)
		if err != nil {
			return err
		}
		if result != nil {
			list = answers(result.GetValue())
		}
		if len(list) == 0 {
			return &failure{text: "Graph answered without presences"}
		}
		return nil
	})
	return list, err
}

func answers(presences []models.Presenceable) []answer {
	list := make([]answer, 0, len(presences))
	for _, p := range presences {
		if p != nil && text(p.GetId()) != "" {
			list = append(list, answer{
				id:           strings.ToLower(text(p.GetId())),
				availability: text(p.GetAvailability()),
				activity:     text(p.GetActivity()),
				sequence:     text(p.GetSequenceNumber()),
			})
		}
	}
	return list
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// maxPages bounds the list of users, at 999 each.
const maxPages = 2000

// accounts reads the list of users. models.User is not used: it alone would add 31 MB to the binary.
func (c *client) accounts(ctx context.Context) ([]account, error) {
	next := c.base.JoinPath("users")
	next.RawQuery = "$select=id,userPrincipalName,mail,accountEnabled&$top=999"
	var all []account
	for range maxPages {
		page, link, err := c.accountsPage(ctx, next)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if link == "" {
			return all, nil
		}
		// The token goes with the request: it must stay at the same host.
		if next, err = url.Parse(link); err != nil || next.Scheme != c.base.Scheme || next.Host != c.base.Host {
			return nil, &failure{text: fmt.Sprintf("the list of users goes on at a foreign address: %q", link)}
		}
	}
	return nil, &failure{text: fmt.Sprintf("the list of users has more than %d pages", maxPages)}
}

func (c *client) accountsPage(ctx context.Context, at *url.URL) (page []account, next string, err error) {
	err = c.call(ctx, func(ctx context.Context) error {
		info := abstractions.NewRequestInformation()
		info.Method = abstractions.GET
		info.SetUri(*at)
		info.Headers.Add("Accept", "application/json")
		raw, err := c.adapter.SendPrimitive(ctx, info, "[]byte", abstractions.ErrorMappings{"XXX": odataerrors.CreateODataErrorFromDiscriminatorValue})
		if err != nil {
			return err
		}
		var body struct {
			Value []account `json:"value"`
			Next  string    `json:"@odata.nextLink"`
		}
		bytes, _ := raw.([]byte)
		if err := json.Unmarshal(bytes, &body); err != nil {
			return fmt.Errorf("reading the list of users: %w", err)
		}
		page, next = body.Value, body.Next
		return nil
	})
	return page, next, err
}

// call runs one request. A plain 401 gets a fresh token once, which the SDK does not do.
func (c *client) call(ctx context.Context, request func(context.Context) error) error {
	f := attempt(ctx, request)
	if f != nil && f.kind == unauthorized {
		if err := c.credential.forget(); err != nil {
			return classify(err)
		}
		if f = attempt(ctx, request); f != nil && f.kind == unauthorized {
			f.kind = needsAdmin
		}
	}
	if f != nil {
		return f
	}
	return nil
}

// attempt runs one request with a deadline. It recovers: the SDK panics on some malformed answers.
func attempt(ctx context.Context, request func(context.Context) error) (f *failure) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			f = &failure{text: fmt.Sprintf("Graph's SDK could not read the answer: %v", r)}
		}
	}()
	if err := request(ctx); err != nil {
		return classify(err)
	}
	return nil
}
