#!/usr/bin/env node
// The API of the talk: it keeps the scores of whoever an access token names, and shows the best ten.
//
//   ISSUER=https://… AUDIENCE=https://… [PORT=8080] node api.mjs     prints its address when it listens
//
//   POST /scores {"score": 42}     with `Authorization: Bearer …`; answers with the player's best
//   GET  /                         the leaderboard: a page, or JSON for who accepts only that
//
// A token counts when the provider signed it, for this API, and when it is not over. Nothing else is known of the player.
import { once } from 'node:events';
import http from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

const { ISSUER, AUDIENCE, PORT = 0 } = process.env;
const discovery = await (await fetch(`${ISSUER.replace(/\/$/, '')}/.well-known/openid-configuration`)).json();
// Keys that nobody knows yet are fetched, so that the provider may change its own; how often is limited.
const keys = createRemoteJWKSet(new URL(discovery.jwks_uri), { cooldownDuration: 5000 });
const players = new Map(); // by the subject of their tokens

async function player(request) {
  const [, token] = request.headers.authorization?.match(/^Bearer (.+)$/) ?? [];
  if (!token) throw new Refusal(401, 'an access token is needed', 'Bearer');
  try {
    const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, requiredClaims: ['sub', 'exp'] });
    return payload;
  } catch (error) {
    // Keys that can't be fetched say nothing of the token.
    const unknown = ['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT'].includes(error.code);
    if (unknown || !(error instanceof errors.JOSEError)) throw error;
    throw new Refusal(401, error.message, 'Bearer error="invalid_token"');
  }
}

async function post(request) {
  const { sub, name } = await player(request);
  const { score } = await body(request);
  if (!Number.isSafeInteger(score) || score < 0) throw new Refusal(400, 'a score is a whole number');
  const best = Math.max(score, players.get(sub)?.score ?? 0);
  players.set(sub, { name: name ?? sub, score: best });
  return { best };
}

const leaderboard = () => [...players.values()].sort((a, b) => b.score - a.score).slice(0, 10);

class Refusal extends Error {
  constructor(status, words, challenge) {
    super(words);
    this.status = status;
    // RFC 6750 §3: so that the caller knows that another token would do.
    this.headers = challenge && { 'www-authenticate': challenge };
  }
}

async function body(request) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > 1000) throw new Refusal(413, 'that is no score');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'that is no JSON');
  }
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (rows) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Leaderboard</title>
<h1>Leaderboard</h1>
<ol>${rows.map(({ name, score }) => `<li>${escaped(name)}: ${score}</li>`).join('')}</ol>
</html>`;

const server = http.createServer(async (request, response) => {
  const json = (status, value, headers) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  try {
    if (request.method === 'POST' && request.url === '/scores') json(201, await post(request));
    else if (request.method !== 'GET' || request.url !== '/') json(404, { error: 'there is no such thing' });
    else if (request.headers.accept === 'application/json') json(200, leaderboard());
    else response.writeHead(200, { 'content-type': 'text/html' }).end(page(leaderboard()));
  } catch (error) {
    json(error.status ?? 503, { error: error.message }, error.headers);
  }
});
server.listen(Number(PORT), '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${server.address().port}`);
