#!/usr/bin/env node
// An OpenID provider that is not ours, oidc-provider, on a free port of the loopback interface. It is as it was installed;
// what a test wants beyond that is done in front of it (front.mjs).
//
//   node provider.mjs [OPTIONS]     prints its issuer when it listens, and ends with its standard input
//
// OPTIONS is a JSON object of what OPTIONS below lists. Clients: `public` has no secret; `post` and `basic` show theirs in
// the body or in a header. Anybody may sign in, with any password.
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { forge } from './forge.mjs';
import { Front, listen } from './front.mjs';
import { approve, deny } from './person.mjs';

const OPTIONS = {
  access: 3600, // seconds an access token lives
  code: 600, // seconds a user code lives
  rotate: true, // every refresh brings another refresh token
  secret: 'test-client-secret', // of the clients that have one
  dpop: false, // binds tokens to the keys that are proven (RFC 9449)
  nonce: false, // and wants its own nonce in each proof
  conform: false, // names only at the userinfo endpoint, as the specification has it
  edits: {}, // fields of answers, by endpoint: {"device-code": {"interval": 1}}; null takes a field away
  ...JSON.parse(process.argv[2] ?? '{}'),
};
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

const client = (id, method, secret) => ({
  client_id: id,
  client_secret: secret,
  token_endpoint_auth_method: method,
  grant_types: [DEVICE_CODE, 'refresh_token'],
  response_types: [],
  redirect_uris: [],
  application_type: 'native',
});

// Everybody has an account, whose name is made of the login: "ada.lovelace" is Ada Lovelace.
const nameOf = (sub) => sub.split('.').map((w) => w[0].toUpperCase() + w.slice(1)).join(' ');

const settings = {
  clients: [
    client('public', 'none'),
    client('post', 'client_secret_post', OPTIONS.secret),
    client('basic', 'client_secret_basic', OPTIONS.secret),
  ],
  clientAuthMethods: ['none', 'client_secret_post', 'client_secret_basic'],
  cookies: { keys: [randomBytes(16).toString('hex')] },
  claims: { openid: ['sub'], profile: ['name', 'nickname'], email: ['email'] },
  conformIdTokenClaims: OPTIONS.conform,
  findAccount: (_ctx, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: nameOf(sub), nickname: sub, email: `${sub}@example.com` }),
  }),
  rotateRefreshToken: () => OPTIONS.rotate,
  ttl: {
    AccessToken: () => OPTIONS.access,
    DeviceCode: () => OPTIONS.code,
    Grant: 86_400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86_400,
    Session: 86_400,
  },
  features: {
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    dPoP: {
      enabled: OPTIONS.dpop,
      nonceSecret: OPTIONS.nonce ? randomBytes(32) : undefined,
      requireNonce: () => OPTIONS.nonce,
    },
    // `audience` as Auth0 has it, and `resource` as RFC 8707 has it, ask for an access token that an API can check.
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, _client, oneOf) => oneOf ?? ctx.oidc.params?.audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, audience) =>
        ({ audience, scope: '', accessTokenFormat: 'jwt', accessTokenTTL: OPTIONS.access }),
    },
  },
  extraParams: ['audience'],
  extraTokenClaims: (_ctx, token) => ({ name: nameOf(token.accountId) }),
};

async function keyPair() {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...await exportJWK(privateKey), kid: randomBytes(8).toString('hex'), use: 'sig', alg: 'RS256' };
}

// Its notices are for those who run it for others.
console.info = () => {};
console.warn = () => {};

let provider, key;
const grants = new Map(); // identifier of a grant: its newest refresh token
const inner = http.createServer((request, response) => provider.callback()(request, response));
const front = new Front(await listen(inner));
const issuer = await listen(front.server);

// Another provider with other keys; what it gave out before is in the memory that both share.
async function renewKeys() {
  key = await keyPair();
  provider = new Provider(issuer, { ...settings, jwks: { keys: [key] } });
  provider.on('grant.success', ({ oidc: { entities } }) =>
    grants.set(entities.Grant.jti, entities.RefreshToken?.jti));
}

const model = (name, method, ...args) => provider[name][method](...args);
const find = (userCode) =>
  model('DeviceCode', 'findByUserCode', userCode.replace(/[^A-Z0-9]/gi, ''), { ignoreExpiration: true });

front.edits = OPTIONS.edits;
front.forge = (kind, token) => forge(kind, token, key);
front.orders = {
  // What a person does, with a browser.
  approve: ({ user_code, login }) => approve(`${issuer}/device`, user_code, login),
  deny: ({ user_code }) => deny(`${issuer}/device`, user_code),
  // What time does.
  expire: async ({ user_code }) => {
    const code = await find(user_code);
    code.exp = 1;
    await code.save();
  },
  // What an administrator does.
  options: (changes) => { Object.assign(OPTIONS, changes); },
  rotate: renewKeys,
  revoke: () => Promise.all([...grants.keys()].flatMap((id) => [
    ...['AccessToken', 'RefreshToken'].map((name) => model(name, 'revokeByGrantId', id)),
    provider.Grant.adapter.destroy(id),
  ])),
  // What a thief does: all refresh tokens are used up.
  steal: () => Promise.all([...grants.values()].map(async (id) => (await model('RefreshToken', 'find', id))?.consume())),
  // How many grants live.
  grants: async () => {
    const found = await Promise.all([...grants.keys()].map((id) => model('Grant', 'find', id)));
    return found.filter(Boolean).length;
  },
};

await renewKeys();
console.log(issuer);
process.stdin.on('end', () => process.exit()).resume();
