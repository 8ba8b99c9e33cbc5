// ID tokens that nobody should believe, made of a real one. All say that Mallory signed in.
import { decodeJwt, exportSPKI, generateKeyPair, importJWK, SignJWT } from 'jose';

/// `key` is the provider's own, a JWK with its private parts.
export async function forge(kind, token, key) {
  const claims = { ...decodeJwt(token), name: 'Mallory' };
  const header = { alg: 'RS256', kid: key.kid };
  const sign = async (with_ = key) =>
    new SignJWT(claims).setProtectedHeader(header).sign(with_ === key ? await importJWK(key, 'RS256') : with_);
  switch (kind) {
    // For another client, of another issuer, of last year: signed by the provider itself.
    case 'forged-audience':
      claims.aud = 'another-client';
      return sign();
    case 'forged-issuer':
      claims.iss = 'https://issuer.example';
      return sign();
    case 'forged-expiry':
      claims.exp = claims.iat - 365 * 86_400;
      return sign();
    // Another key under the name of the provider's.
    case 'forged-key':
      return sign((await generateKeyPair('RS256')).privateKey);
    // Another name in a token that the provider signed.
    case 'forged-claims': {
      const [head, , signature] = token.split('.');
      return [head, encoded(claims), signature].join('.');
    }
    case 'forged-unsigned':
      return [encoded({ alg: 'none', kid: key.kid }), encoded(claims), ''].join('.');
    // The provider's public key taken for a shared secret.
    case 'forged-symmetric': {
      const { kty, n, e } = key;
      const secret = await exportSPKI(await importJWK({ kty, n, e }, 'RS256'));
      header.alg = 'HS256';
      return sign(new TextEncoder().encode(secret));
    }
    default:
      throw new Error(`no such forgery: ${kind}`);
  }
}

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
