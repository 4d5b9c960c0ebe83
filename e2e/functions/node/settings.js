module.exports = async () => ({ status: 200, body: { region: process.env.REGION, own: process.env.OWN } });
